//! What the bench sets up: a folder with a CA and identities, Ringfence's sites, kamailio's configuration.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::root;

/// The caller (a border controller's place), the server under test, the called side (a voice browser's place).
pub(super) const CALLER: &str = "127.43.7.226";
pub(super) const SERVER: &str = "127.43.7.13";
pub(super) const CALLED: &str = "127.43.7.143";
/// Names in their certificates.
pub(super) const SERVER_NAME: &str = "cvp1.bench.example";
/// Lines that register: so many from the first on.
pub(super) const FIRST_LINE: u32 = 200_000;
pub(super) const LINES: u32 = 1000;
pub(super) const SECRET: &str = "bench-secret";

/// Which site the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// A call server between two TLS trunks.
    Calls,
    /// A call manager with phones.
    Registrar,
    /// A border controller, UDP on both sides.
    PlainBorder,
    /// The same, TLS on both sides.
    SecureBorder,
}

pub(super) struct Stage {
    pub folder: PathBuf,
    pub ringfence: PathBuf,
}

impl Stage {
    /// An empty `target/bench-sip` with data directories, identities and configurations.
    pub(super) fn set(ringfence: PathBuf, folder: PathBuf) -> Result<Stage> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        let stage = Stage { folder, ringfence };
        let calls = stage.site(Site::Calls);
        for site in [Site::Calls, Site::Registrar, Site::PlainBorder, Site::SecureBorder] {
            let file = stage.folder.join(format!("{site:?}.toml"));
            std::fs::write(&file, site.text())?;
            stage.ringfence(&stage.site(site), &["init", &text(&file)])?;
        }
        // Each data directory has a CA of its own; whoever talks to a server has an identity by its CA.
        for site in [Site::Calls, Site::Registrar, Site::SecureBorder] {
            for (name, host) in [("caller", "cube1.bench.example"), ("called", "vvb1.bench.example")] {
                let out = text(&stage.folder.join(format!("{site:?}-{name}")));
                stage.ringfence(&stage.site(site), &["cert", "issue", "--name", host, "--out", &out])?;
            }
        }
        let out = text(&stage.folder.join("kamailio"));
        stage.ringfence(&calls, &["cert", "issue", "--name", SERVER_NAME, "--out", &out])?;
        let kamailio = stage.folder.join("kamailio");
        std::fs::write(kamailio.join("kamailio.cfg"), kamailio_cfg(&kamailio))?;
        for (file, required) in [("mutual.cfg", "yes"), ("phones.cfg", "no")] {
            std::fs::write(kamailio.join(file), tls_cfg(&kamailio, required))?;
        }
        Ok(stage)
    }

    /// Data directory of a site.
    pub(super) fn site(&self, site: Site) -> PathBuf {
        self.folder.join(format!("{site:?}-data"))
    }

    /// Identity of the caller or the called side, by that site's CA.
    pub(super) fn identity(&self, site: Site, who: &str) -> String {
        text(&self.folder.join(format!("{site:?}-{who}")))
    }

    fn ringfence(&self, data: &Path, arguments: &[&str]) -> Result<()> {
        let output = Command::new(&self.ringfence)
            .arg("--data")
            .arg(data)
            .args(arguments)
            .current_dir(root())
            .output()
            .with_context(|| format!("cannot start {}", self.ringfence.display()))?;
        if !output.status.success() {
            bail!(
                "ringfence {}: {}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Site {
    /// The node that is under test.
    pub(super) fn node(self) -> &'static str {
        match self {
            Site::Calls => "cvp1",
            Site::Registrar => "cucm1",
            Site::PlainBorder | Site::SecureBorder => "sbc1",
        }
    }

    fn text(self) -> String {
        let mut site = String::from("name = \"bench\"\ndomain = \"bench.example\"\n");
        match self {
            Site::Calls => site.push_str(&calls_site()),
            Site::Registrar => {
                let _ = write!(site, "[[node]]\nname = \"cucm1\"\naddress = \"{SERVER}\"\n[node.role.call_manager]\n");
                for line in FIRST_LINE..FIRST_LINE + LINES {
                    let _ = write!(
                        site,
                        "[[node.role.call_manager.phone]]\nname = \"SEP{line:012}\"\nline = \"{line}\"\ndigest_secret = \"{SECRET}\"\n"
                    );
                }
            }
            Site::PlainBorder => site.push_str(&border_site(
                "port = 5060\ndangerous_plain_sip = true\n",
                "session_transport = \"udp\"\nsrtp = false\ndangerous_plain_rtp = true\n",
                5060,
                ["", ""],
            )),
            Site::SecureBorder => site.push_str(&border_site(
                "",
                "",
                5061,
                [
                    "secure_certificate_subject = [\"cube1.bench.example\"]\n",
                    "secure_certificate_subject = [\"vvb1.bench.example\"]\n",
                ],
            )),
        }
        site
    }
}

fn calls_site() -> String {
    let group = |name: &str, address: &str| {
        format!(
            "[[node.role.call_server.sip_server_group]]\nname = \"{name}\"\n\
             member = [{{ host = \"{name}.bench.example\", address = \"{address}\", secure_port = 5061 }}]\n"
        )
    };
    format!(
        "[[node]]\nname = \"cvp1\"\naddress = \"{SERVER}\"\n[node.role.call_server]\ningress_group = \"cube1\"\n\
         agent_group = \"cucm1\"\n{}{}{}[[node.role.call_server.dialled_number]]\npattern = \"6016\"\ngroup = \"vvb1\"\n",
        group("cube1", CALLER),
        group("vvb1", CALLED),
        group("cucm1", "127.43.7.3")
    )
}

fn border_site(node: &str, peer: &str, port: u16, subjects: [&str; 2]) -> String {
    let [caller, called] = subjects;
    format!(
        "[[node]]\nname = \"sbc1\"\naddress = \"{SERVER}\"\n{node}\
         [[node.role.sbc.dial_peer]]\ntag = 1\nincoming_called_number = \"6...\"\nsession_target = \"ipv4:{CALLER}:{port}\"\n{peer}{caller}\
         [[node.role.sbc.dial_peer]]\ntag = 2\ndestination_pattern = \"6...\"\nsession_target = \"ipv4:{CALLED}:{port}\"\n{peer}{called}"
    )
}

/// A stateful proxy with record-routing, and a registrar with digest in memory.
fn kamailio_cfg(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
enable_tls=yes
tcp_max_connections=20000
tls_max_connections=20000
tcp_connection_lifetime=3605
auto_aliases=no
listen=tls:{SERVER}:5061
listen=udp:{SERVER}:5060
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("tls", "config", "{folder}/TLS_CONFIG")
modparam("tm", "fr_timer", 30000)
modparam("tm", "fr_inv_timer", 120000)
modparam("usrloc", "db_mode", 0)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{SECRET}", "0")) {{ www_challenge("$td", "1"); exit; }}
        if (!save("location")) {{ sl_reply_error(); }}
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{
            if (t_check_trans()) {{ t_relay(); }}
            exit;
        }}
        sl_send_reply("404", "Not here");
        exit;
    }}
    t_check_trans();
    record_route();
    if (proto == UDP) {{ $du = "sip:{CALLED}:5060"; }} else {{ $du = "sip:{CALLED}:5061;transport=tls"; }}
    if (!t_relay()) {{ sl_reply_error(); }}
}}
"#
    )
}

fn tls_cfg(folder: &Path, required: &str) -> String {
    let folder = folder.display();
    let part = |side: &str, required: &str| {
        format!(
            "[{side}:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = {required}\n\
             private_key = {folder}/key.pem\ncertificate = {folder}/chain.pem\nca_list = {folder}/root.pem\n"
        )
    };
    format!("{}{}", part("server", required), part("client", "yes"))
}
