//! The call manager under measurement, and what its phones keep.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use net::Station;
use phones::Kind;
use rustls::ClientConfig;
use site::Site;
use store::DataDir;
use trust::Identity;
use trust::tls::Versions;

use super::light::Door;

pub(crate) const NODE: &str = "cucm1";
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 43, 9, 3));
/// All phones are at one address.
pub(crate) const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 43, 9, 75));
pub(crate) const TFTP: u16 = 10_069;
const HOST: &str = "cucm1.bench.example";
const BOTH: Versions = Versions { tls12: true, tls13: true };

/// Phones of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// As phones are by default: an RSA key, to which their configuration is encrypted. They are in the storm.
    Rsa,
    Elliptic,
    /// By token.
    Soft,
}

impl Group {
    pub(crate) fn device(self, number: usize) -> String {
        match self {
            Group::Rsa => format!("SEPA{number:011}"),
            Group::Elliptic => format!("SEPB{number:011}"),
            Group::Soft => format!("CSF{number}"),
        }
    }

    fn line(self, number: usize) -> usize {
        match self {
            Group::Rsa => 1_000_000 + number,
            Group::Elliptic => 2_000_000 + number,
            Group::Soft => 3_000_000 + number,
        }
    }

    fn profile(self) -> &'static str {
        match self {
            Group::Rsa => "by certificate",
            Group::Elliptic => "by elliptic certificate",
            Group::Soft => "by token",
        }
    }
}

pub(crate) struct Estate {
    pub(crate) dir: DataDir,
    site: Site,
    folder: PathBuf,
    phones: usize,
    each: usize,
}

impl Estate {
    pub(crate) fn make(phones: usize, each: usize) -> Result<Estate> {
        let folder = std::env::temp_dir().join(format!("ringfence-trust-cost-{}", std::process::id()));
        let (dir, _) = DataDir::init(&folder.join("data"), &site(phones, each)?, SystemTime::now())?;
        let site = dir.site()?;
        Ok(Estate { dir, site, folder, phones, each })
    }

    pub(crate) fn remove(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }

    pub(crate) fn count(&self, group: Group) -> usize {
        if group == Group::Rsa { self.phones } else { self.each }
    }

    /// What a phone keeps over a power cut.
    pub(crate) fn kept(&self, device: &str) -> PathBuf {
        self.folder.join("phones").join(device)
    }

    pub(crate) fn keep(&self, device: &str, certificate: &[u8], key: &str) -> Result<()> {
        let folder = self.kept(device);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("key.pem"), key)?;
        Ok(std::fs::write(folder.join("chain.pem"), trust::certificate_pem(certificate))?)
    }

    pub(crate) fn identity(&self, device: &str) -> Result<Identity> {
        let text = |name: &str| std::fs::read_to_string(self.kept(device).join(name));
        Ok(Identity::from_pem(&text("chain.pem")?, &text("key.pem")?)?)
    }

    /// What the services serve, without their sockets.
    pub(crate) fn station(&self) -> Result<Station> {
        let node = self.site.node(NODE).context("the site has it")?;
        Station::open(&self.dir, &self.site, node)?.context("it serves phones")
    }

    /// Phones have run before: each holds the lists in force.
    pub(crate) fn give_lists(&self) -> Result<()> {
        let station = self.station()?;
        for kind in [Kind::Itl, Kind::Ctl] {
            let list = std::fs::read(station.list_file(kind))?;
            for number in 0..self.phones {
                std::fs::write(self.kept(&Group::Rsa.device(number)).join(kind.file_name()), &list)?;
            }
        }
        Ok(())
    }

    /// Client settings that know one certificate.
    pub(crate) fn pinned(&self, server: &Identity, own: Option<Identity>) -> Result<Arc<ClientConfig>> {
        let pinned: Vec<Vec<u8>> = server.chain_der().into_iter().take(1).map(|der| der.to_vec()).collect();
        Ok(trust::tls::client_pinned(own.as_ref(), &pinned, BOTH)?)
    }

    pub(crate) fn door_by_token(&self, number: usize) -> Result<Door> {
        let node = self.site.node(NODE).context("the site has it")?;
        let device = Group::Soft.device(number);
        let (token, _) = self.dir.issue_token(node, &device, None, "bench", SystemTime::now())?;
        let names = [HOST.to_owned()];
        Ok(Door {
            line: Group::Soft.line(number).to_string(),
            server: SocketAddr::new(ADDRESS, 5090),
            server_name: HOST.into(),
            tls: trust::tls::client_without_certificate(&self.dir.roots_pem()?, BOTH, &names)?,
            more: format!("Authorization: Bearer {token}\r\n"),
        })
    }
}

fn site(phones: usize, each: usize) -> Result<String> {
    let mut text = format!(
        "name = \"bench\"\ndomain = \"bench.example\"\n[[node]]\nname = \"{NODE}\"\naddress = \"{ADDRESS}\"\n\
         [node.role.call_manager.oauth]\n[node.role.call_manager.phone_services]\ntftp_port = {TFTP}\n"
    );
    let profiles = [
        (Group::Rsa, "enable_digest_authentication = false"),
        (
            Group::Elliptic,
            "enable_digest_authentication = false\nkey_order = \"ec_only\"\nec_key_size = 256\n\
             tftp_encrypted_config = false",
        ),
        (Group::Soft, "enable_oauth_authentication = true"),
    ];
    for (group, fields) in profiles {
        let name = group.profile();
        writeln!(text, "[[node.role.call_manager.phone_security_profile]]\nname = \"{name}\"\n{fields}")?;
    }
    for (group, count) in [(Group::Rsa, phones), (Group::Elliptic, each), (Group::Soft, each)] {
        for number in 0..count {
            let (device, line, profile) = (group.device(number), group.line(number), group.profile());
            writeln!(text, "[[node.role.call_manager.phone]]\nname = \"{device}\"\nline = \"{line}\"")?;
            writeln!(text, "device_security_profile = \"{profile}\"")?;
            if group != Group::Soft {
                writeln!(text, "[[node.role.call_manager.phone_services.device]]\nphone = \"{device}\"")?;
                writeln!(text, "certificate_operation = \"install_upgrade\"\noperation_completes_by = \"2099-12-31\"")?;
            }
        }
    }
    Ok(text)
}

/// The binary, running. Dropping it is a power cut.
pub(crate) struct Server {
    process: Child,
    /// Held, for it may still write there.
    _output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(binary: &str, estate: &Estate) -> Result<Server> {
        let mut command = Command::new(binary);
        command.arg("--data").arg(estate.dir.path()).arg("run").env("RUST_LOG", "error").stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start {binary}"))?;
        let mut output = BufReader::new(process.stdout.take().context("its output")?);
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                bail!("the call manager ended before it was ready: {}", process.wait()?);
            }
        }
        Ok(Server { process, _output: output })
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu_of(self.process.id())
    }

    /// MiB that it has had at most, and those that it has now.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).with_context(|| format!("{name} in /proc"))
        };
        Ok((of("VmHWM:")?, of("VmRSS:")?))
    }
}

/// Seconds of user and system time of a process.
pub(crate) fn cpu_of(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).context("ticks in /proc");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, nor has to be.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its ports are free again when the kernel has buried it.
        std::thread::sleep(Duration::from_millis(200));
    }
}
