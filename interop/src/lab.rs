//! A network of namespaces: one for each host of the reference lab, joined by a bridge in one more.
//!
//! Every name carries the id and the start time of the process that made it. [`Lab`] takes everything
//! away when it is dropped; what a killed run left behind is swept when the next lab is made.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::Program;
use crate::requirements;

/// The hosts of the reference lab (contract 286) and a second voice browser to fall back to.
pub const REFERENCE_HOSTS: [(&str, u8); 7] =
    [("cucm", 3), ("cvp", 13), ("vvb", 143), ("vvb2", 144), ("cube", 226), ("agent", 75), ("carrier", 76)];

/// The host that the bridge itself is: it sees every packet and is nobody's peer.
pub const BRIDGE: &str = "lan";

const BRIDGE_DEVICE: &str = "br0";
const PREFIX: &str = "rfit-";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// `198.18.133.last`, an address of the reference lab.
pub const fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 133, last)
}

/// A running network. Dropping it ends every process inside and removes it.
#[derive(Debug)]
pub struct Lab {
    stem: String,
    hosts: BTreeMap<String, Host>,
    directory: PathBuf,
}

/// One host of a [`Lab`].
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
    namespace: String,
    directory: PathBuf,
}

impl Lab {
    /// The whole reference lab.
    pub fn reference() -> Result<Self> {
        Self::new(&REFERENCE_HOSTS)
    }

    /// A lab of these hosts, each `(name, last octet)`; `(lan, 1)` is always there.
    ///
    /// # Errors
    /// When the process may not make namespaces: the message says the command that helps.
    pub fn new(hosts: &[(&str, u8)]) -> Result<Self> {
        requirements::namespaces()?;
        sweep()?;
        let stem = format!(
            "{PREFIX}{}-{}-{}-",
            std::process::id(),
            start_time(std::process::id()).context("this process has no start time")?,
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = std::env::temp_dir().join(stem.trim_end_matches('-'));
        fs::create_dir_all(&directory)?;
        // From here on Drop cleans up whatever was made.
        let mut lab = Self { stem, hosts: BTreeMap::new(), directory };
        lab.add_bridge()?;
        for (name, last) in hosts {
            lab.add_host(name, address(*last))?;
        }
        lab.write_names(&[])?;
        Ok(lab)
    }

    /// A host by name; `lan` is the bridge.
    ///
    /// # Panics
    /// When the lab has no such host: a mistake in the test.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("the lab has no host {name}"))
    }

    /// The directory of this run, removed with the lab unless `INTEROP_KEEP` is set.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of the device on which [`BRIDGE`] sees every packet of the lab.
    pub fn bridge_device(&self) -> &'static str {
        BRIDGE_DEVICE
    }

    /// Makes names known on every host, beside `NAME.lab` and `NAME` which each host has.
    pub fn write_names(&self, more: &[(&str, &str)]) -> Result<()> {
        let mut text = String::from("127.0.0.1 localhost\n");
        for host in self.hosts.values() {
            text.push_str(&format!("{} {1}.lab {1}\n", host.address, host.name));
        }
        for (name, host) in more {
            text.push_str(&format!("{} {name}\n", self.host(host).address));
        }
        for host in self.hosts.values() {
            let folder = names_folder(&host.namespace);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("hosts"), &text)?;
            // No resolver: a name that is not in `hosts` fails at once instead of after a timeout.
            fs::write(folder.join("resolv.conf"), "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")?;
        }
        Ok(())
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}{host}", self.stem)
    }

    fn add_bridge(&mut self) -> Result<()> {
        self.make_namespace(BRIDGE, address(1))?;
        let lan = self.namespace(BRIDGE);
        ip(&format!("-n {lan} link add {BRIDGE_DEVICE} type bridge forward_delay 0 mcast_snooping 0"))?;
        ip(&format!("-n {lan} addr add {}/24 dev {BRIDGE_DEVICE}", address(1)))?;
        ip(&format!("-n {lan} link set {BRIDGE_DEVICE} up"))
    }

    fn add_host(&mut self, name: &str, address: Ipv4Addr) -> Result<()> {
        ensure!(name.len() <= 12, "{name} is too long for an interface name");
        self.make_namespace(name, address)?;
        let (inside, lan) = (self.namespace(name), self.namespace(BRIDGE));
        ip(&format!("-n {inside} link add eth0 type veth peer name p-{name} netns {lan}"))?;
        ip(&format!("-n {lan} link set p-{name} master {BRIDGE_DEVICE} up"))?;
        ip(&format!("-n {inside} addr add {address}/24 dev eth0"))?;
        ip(&format!("-n {inside} link set eth0 up"))?;
        // Phones look for a default route to decide which address is theirs.
        ip(&format!("-n {inside} route add default via {}", self::address(1)))
    }

    fn make_namespace(&mut self, name: &str, address: Ipv4Addr) -> Result<()> {
        let namespace = self.namespace(name);
        ip(&format!("netns add {namespace}"))?;
        let directory = self.directory.join(name);
        fs::create_dir_all(&directory)?;
        let host = Host { name: name.to_owned(), address, namespace: namespace.clone(), directory };
        self.hosts.insert(name.to_owned(), host);
        ip(&format!("-n {namespace} link set lo up"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in self.hosts.values() {
            remove_namespace(&host.namespace);
        }
        if std::env::var_os("INTEROP_KEEP").is_some() {
            eprintln!("the logs of this run are kept in {}", self.directory.display());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Host {
    /// Where programs on this host keep their files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts a program on this host; it ends with the [`Program`] and with this process.
    ///
    /// # Errors
    /// When the program is not installed: the message says the command that installs it.
    pub fn start<S: AsRef<str>>(&self, program: &str, arguments: &[S]) -> Result<Program> {
        self.start_with(program, arguments, &[])
    }

    /// [`Host::start`] with more environment variables.
    pub fn start_with<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: &[S],
        environment: &[(&str, &str)],
    ) -> Result<Program> {
        let path = requirements::find(program)?;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace, "setpriv", "--pdeathsig", "KILL", "--"])
            .arg(path)
            .args(arguments.iter().map(AsRef::as_ref))
            .current_dir(&self.directory)
            .env("HOME", &self.directory)
            .envs(environment.iter().copied());
        let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
        Program::start(&format!("{name}@{}", self.name), command, &self.directory)
    }

    /// Runs `work` on a thread that is inside this host's network: sockets made there are the host's.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = fs::File::open(Path::new("/run/netns").join(&self.namespace))?;
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("entering the network namespace")?;
                work()
            });
            entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Cuts this host off the network, as a pulled cable does. Nobody is told.
    pub fn unplug(&self) -> Result<()> {
        ip(&format!("-n {} link set eth0 down", self.namespace))
    }
}

/// Removes the namespaces and directories of runs whose process is no more.
fn sweep() -> Result<()> {
    let output = Command::new("ip").args(["netns", "list"]).output().context("running ip")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(namespace) = line.split_whitespace().next() else {
            continue;
        };
        if is_stale(namespace) {
            remove_namespace(namespace);
        }
    }
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        if entry.file_name().to_str().is_some_and(is_stale) && std::env::var_os("INTEROP_KEEP").is_none() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether a name is one of ours whose maker has ended.
fn is_stale(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let mut parts = rest.split('-');
    let (Some(Ok(pid)), Some(Ok(started))) = (parts.next().map(str::parse::<u32>), parts.next().map(str::parse::<u64>))
    else {
        return false;
    };
    start_time(pid) != Some(started)
}

/// When a process began, in clock ticks since boot (proc_pid_stat(5), field 22).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, field 2, may hold anything; what follows the last parenthesis is regular.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Ends what still runs in a namespace and removes it with its names. Never fails: it is cleaning up.
fn remove_namespace(namespace: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", namespace]).output() {
        for pid in String::from_utf8_lossy(&output.stdout).lines() {
            // Our own process is listed while a thread of it is inside.
            let pid = pid.trim().parse::<i32>().ok().filter(|pid| *pid != std::process::id() as i32);
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
    let _ = ip(&format!("netns del {namespace}"));
    let _ = fs::remove_dir_all(names_folder(namespace));
}

/// Where `ip netns exec` looks for files to lay over `/etc`.
fn names_folder(namespace: &str) -> PathBuf {
    Path::new("/etc/netns").join(namespace)
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("running ip")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
