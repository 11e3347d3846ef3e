//! What runs of a node, as the control link and the console tell it.

use net::NodeHandle;
use roles::{Control, Reply};

use crate::api::{PhonesServed, Services};

/// # Errors
/// The node does not answer, in words.
pub async fn services(node: &NodeHandle) -> Result<Services, String> {
    let status = match node.control(Control::Status).await {
        Reply::Status(status) => status,
        Reply::Sorry(words) => return Err(words),
        other => return Err(format!("the node answered another question: {other:?}")),
    };
    let registrations = match node.control(Control::Registrations).await {
        Reply::Registrations(list) => list.len(),
        // Nodes at which nobody registers say that they do not.
        _ => 0,
    };
    let phones = node.phone_services().map(|serving| PhonesServed {
        started_ms: serving.started_ms,
        ports: serving.local.iter().map(|(name, address)| ((*name).to_owned(), address.port())).collect(),
    });
    Ok(Services {
        node: status.node,
        role: status.role,
        started_ms: node.started_ms(),
        phones,
        calls: status.calls,
        registrations,
    })
}
