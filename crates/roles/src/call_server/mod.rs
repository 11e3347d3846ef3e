//! CallServer: under way; this is only its face for the compiler.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sip::Status;

use crate::plan::Peers;
use crate::shell::{CallNo, Invited, LegNo, Refused, Role, Shell};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {}

impl Plan {
    pub(crate) fn compile(_role: &site::CallServer, _peers: &mut Peers) -> Result<Plan, String> {
        
        
        Ok(Plan {})
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CallServer {}

impl CallServer {
    pub(crate) fn new(_plan: &Plan, _now: std::time::Duration) -> CallServer { CallServer {} }
}

impl Role for CallServer {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) { shell.refuse(invited.leg, Status(480), Vec::new(), "not yet"); }
    fn accepted(&mut self, _: &mut Shell, _: LegNo, _: Option<Bytes>) {}
    fn refused(&mut self, _: &mut Shell, _: LegNo, _: Refused) {}
    fn reinvited(&mut self, _: &mut Shell, _: LegNo, _: Option<Bytes>) {}
    fn reaccepted(&mut self, _: &mut Shell, _: LegNo, _: Option<Bytes>) {}
    fn gone(&mut self, _: &mut Shell, _: LegNo, _: String) {}
    fn over(&mut self, _: &mut Shell, _: CallNo) {}
}
