//! The site of a measurement: one voice browser whose application is on a web server of ours, in a folder of its own.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::web_side;

pub(crate) const BROWSER: &str = "127.43.9.143:5061";
pub(crate) const BROWSER_NAME: &str = "vvb1.bench.example";
/// Whom the browser takes calls from.
pub(crate) const CALLER_NAME: &str = "cvp1.bench.example";
const WEB: &str = "127.43.9.90:8443";

pub(crate) struct Estate {
    pub(crate) folder: PathBuf,
    pub(crate) caller: trust::Identity,
    pub(crate) roots_pem: Vec<String>,
    turns: Arc<AtomicU64>,
}

fn site() -> String {
    format!(
        "name = \"bench\"\ndomain = \"bench.example\"\n[[node]]\nname = \"vvb1\"\naddress = \"{}\"\n\
         [node.role.voice_browser]\nsecure_certificate_subject = [\"{CALLER_NAME}\"]\n\
         [[node.role.voice_browser.application]]\nnumber = \"6016\"\ndocument = \"https://{WEB}/main.vxml\"\n",
        BROWSER.split(':').next().unwrap_or_default()
    )
}

pub(crate) fn wrong(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{error:#}"))
}

impl Estate {
    /// An empty data directory, identities by its CA, and the web server.
    pub(crate) fn set() -> io::Result<Estate> {
        let folder = std::env::temp_dir().join(format!("ringfence-vxml-bench-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        store::DataDir::init(&folder, &site(), SystemTime::now()).map_err(wrong)?;
        let dir = store::DataDir::open(&folder).map_err(wrong)?;
        let ca = dir.ca().map_err(wrong)?;
        let issue = |name: &str| {
            let now = SystemTime::now();
            let request = trust::Request {
                common_name: name.into(),
                dns_names: Vec::new(),
                ip_addresses: Vec::new(),
                node: None,
                uris: Vec::new(),
                key: trust::KeyKind::P256,
                not_before: now - Duration::from_secs(60),
                not_after: now + Duration::from_secs(86_400),
            };
            ca.issue(&request).map_err(wrong)
        };
        let address: SocketAddr = WEB.parse().map_err(wrong)?;
        let turns = Arc::new(AtomicU64::new(0));
        web_side::serve(address, &issue(&address.ip().to_string())?, turns.clone())?;
        let roots_pem = dir.roots_pem().map_err(wrong)?;
        Ok(Estate { caller: issue(CALLER_NAME)?, roots_pem, folder, turns })
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The voice browser as its own process: ends with its standard input.
pub(crate) fn browser(folder: &Path) -> io::Result<()> {
    let site = site::Site::parse(&site()).map_err(|problems| wrong(&problems[0]))?;
    let process = net::Process::start(&site, folder, &[]).map_err(wrong)?;
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new())?;
    process.stop();
    Ok(())
}
