//! kamailio in the call manager's place: mutual TLS with verification, digest, a registrar, stateful routing
//! to the phones over the connections that they opened.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::lab::Host;
use crate::phone::{Login, Papers};
use crate::program::{Mark, Program};

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running kamailio.
#[derive(Debug)]
pub struct Kamailio {
    program: Program,
}

impl Kamailio {
    /// Starts it on `host`. Anybody who shows a certificate of `papers`' authority may send requests;
    /// phones register with `login`; calls come only from peers whose certificate names `trunk`.
    pub fn start(host: &Host, papers: &Papers, login: &Login, trunk: &str) -> Result<Self> {
        let directory = host.directory().join("kamailio");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("tls.cfg"), tls_configuration(papers))?;
        let tls = directory.join("tls.cfg");
        let address = SocketAddr::from((host.address, 5061));
        let configuration = directory.join("kamailio.cfg");
        fs::write(&configuration, routing(address, &tls.display().to_string(), login, trunk))?;
        let configuration = configuration.display().to_string();
        let folder = directory.display().to_string();
        // In the foreground, a log on standard error, little memory: it is one of many on a small machine.
        let arguments = ["-DD", "-E", "-e", "-m", "64", "-M", "16", "-f", &configuration, "-Y", &folder, "-w", &folder];
        let program = host.start("kamailio", &arguments)?;
        program.expect("interop: ready", STARTS_WITHIN)?;
        Ok(Self { program })
    }

    /// Waits until it has accepted a registration of `number`.
    pub fn registered(&self, number: &str, within: Duration) -> Result<()> {
        self.program.expect(&format!("interop: {number} is registered"), within)?;
        Ok(())
    }

    /// Waits until a call for `number` after `mark` has gone to its phone; says over which TLS version it came.
    pub fn routed(&self, mark: Mark, number: &str, within: Duration) -> Result<String> {
        self.program.expect_after(mark, &format!("interop: a call for {number} "), within)
    }

    /// Now, as a place in its log.
    pub fn mark(&self) -> Mark {
        self.program.mark()
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}

fn tls_configuration(papers: &Papers) -> String {
    let side = |name: &str| {
        format!(
            "[{name}:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\n\
             private_key = {}\ncertificate = {}\nca_list = {}\n\n",
            papers.key.display(),
            papers.chain.display(),
            papers.authority.display()
        )
    };
    side("server") + &side("client")
}

fn routing(address: SocketAddr, tls: &str, login: &Login, trunk: &str) -> String {
    let Login { user, password } = login;
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
enable_tls=yes
disable_tcp=no
auto_aliases=no
dns=no
rev_dns=no
tcp_connection_lifetime=600
tcp_accept_no_cl=no
listen=tls:{address}
alias="cucm.lab"

loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "auth.so"
loadmodule "xlog.so"
loadmodule "tls.so"

modparam("tls", "config", "{tls}")
modparam("usrloc", "db_mode", 0)
modparam("registrar|nathelper", "received_avp", "$avp(received)")
modparam("tm", "fr_timer", 10000)
modparam("tm", "fr_inv_timer", 60000)
modparam("rr", "append_fromtag", 0)

event_route[core:worker-one-init] {{
    xlog("L_ERR", "interop: ready\n");
}}

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("OPTIONS") && uri==myself) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || (is_method("ACK") && t_check_trans())) {{
            t_relay();
            exit;
        }}
        if (!is_method("ACK")) sl_send_reply("481", "Call Does Not Exist");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0") || $au != "{user}") {{
            www_challenge("$td", "1");
            exit;
        }}
        fix_nated_register();
        if (!save("location")) {{
            sl_reply_error();
            exit;
        }}
        xlog("L_ERR", "interop: $tU is registered over $tls_version by $tls_peer_subject_cn\n");
        exit;
    }}
    if (!is_method("INVITE")) {{
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    if ("{trunk}" != "" && $tls_peer_subject_cn != "{trunk}") {{
        xlog("L_ERR", "interop: refused, expected {trunk} and was shown $tls_peer_subject_cn\n");
        sl_send_reply("403", "Wrong Certificate Subject");
        exit;
    }}
    record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Registered");
        exit;
    }}
    xlog("L_ERR", "interop: a call for $tU from $tls_peer_subject_cn over $tls_version $tls_cipher_info\n");
    t_relay();
}}
"#
    )
}
