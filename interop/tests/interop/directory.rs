//! People of an LDAP directory, which is OpenLDAP's slapd as Debian has it, come in at the desk: by StartTLS and by TLS
//! from the start, with groups that are searched and groups that entries name; and the directory goes away, and another
//! stands in its place.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use interop::estate::{DOMAIN, Estate, NODES, eventually};
use interop::lab::{Lab, REFERENCE_HOSTS};
use interop::papers::Authority;
use interop::phone::Papers;
use interop::program::Program;

use crate::desk::{PASSWORD, USER, ask};
use crate::scene::SOON;

/// Where the directory is.
const HOST: &str = "ldap";
const NAME: &str = "ldap.lab.example";

/// Whose right password is what; `unauthenticated` binds are allowed on purpose: we must not try one.
const CONFIGURATION: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
allow bind_anon_cred
security ssf=128
TLSCertificateFile CHAIN
TLSCertificateKeyFile KEY
database mdb
directory FOLDER
suffix "dc=lab,dc=example"
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=ringfence,dc=lab,dc=example" read by anonymous auth by * none
"#;

const PEOPLE: &str = r#"dn: dc=lab,dc=example
objectClass: dcObject
objectClass: organization
dc: lab
o: lab

dn: cn=ringfence,dc=lab,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: ringfence
userPassword: what the service says

dn: uid=ada,dc=lab,dc=example
objectClass: inetOrgPerson
uid: ada
cn: Ada (Agent), *
sn: A
employeeNumber: 1001
userPassword: what ada says
memberOf: cn=Agents,dc=lab,dc=example

dn: cn=Bob \2C of sales,dc=lab,dc=example
objectClass: inetOrgPerson
uid: bob
cn: Bob , of sales
sn: B
employeeNumber: 1002
userPassword: what bob says
memberOf: cn=Agents,dc=lab,dc=example

dn: uid=root,dc=lab,dc=example
objectClass: inetOrgPerson
uid: root
cn: Root
sn: R
userPassword: what root says
memberOf: cn=Administrators,dc=lab,dc=example

dn: uid=eve,dc=lab,dc=example
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: E
employeeNumber: 1001
userPassword: what eve says

dn: cn=Agents,dc=lab,dc=example
objectClass: groupOfNames
cn: Agents
member: uid=ada,dc=lab,dc=example
member: cn=Bob \2C of sales,dc=lab,dc=example

dn: cn=Administrators,dc=lab,dc=example
objectClass: groupOfNames
cn: Administrators
member: uid=root,dc=lab,dc=example
"#;

const SETTINGS: &str = r#"[directory]
url = ["ldap://ldap.lab.example"]
authority = "corp"
bind_dn = "cn=ringfence,dc=lab,dc=example"
bind_password_file = "directory.password"
base = "dc=lab,dc=example"
user_filter = "(&(objectClass=inetOrgPerson)(uid={name}))"
agent_attribute = "employeeNumber"
group_base = "dc=lab,dc=example"
agent_groups = ["cn=agents, dc=lab, dc=example"]
administrator_groups = ["cn=administrators,dc=lab,dc=example"]

"#;

#[test]
fn people_of_a_directory_come_in_while_it_answers_and_those_of_the_store_always() -> Result<()> {
    let hosts: Vec<(&str, u8)> = REFERENCE_HOSTS.iter().copied().chain([(HOST, 80)]).collect();
    let mut estate = Estate::new(Lab::new(&hosts)?, |site| {
        let group = "[[node.role.call_server.sip_server_group]]\nname = \"cube1\"";
        let site = site.replacen(group, &format!("[node.role.call_server.desk]\n\n{group}"), 1);
        site.replacen("[tls]", &format!("{SETTINGS}[tls]"), 1)
    })?;
    let folder = estate.lab().directory().to_owned();
    let (corp, other) = (Authority::new(&folder.join("corp"))?, Authority::new(&folder.join("other"))?);
    let papers = corp.issue(NAME, Path::new("ldap"))?;
    let names: Vec<(String, &str)> = NODES.iter().map(|(node, host)| (format!("{node}.{DOMAIN}"), *host)).collect();
    let mut names: Vec<(&str, &str)> = names.iter().map(|(name, host)| (name.as_str(), *host)).collect();
    names.push((NAME, HOST));
    estate.lab().write_names(&names)?;
    let data = estate.data_of("cvp1");
    estate.ringfence(&["data", "export", "cvp1", "--to", text(&data)?])?;
    fs::copy(&papers.authority, data.join("roots/corp.pem"))?;

    // Without its password nobody is asked, and it is said which file is missing.
    let said = no_password(&estate)?;
    ensure!(said.contains("bind_password_file: cannot read"), "{said}");
    fs::write(data.join("directory.password"), "what the service says\n")?;
    fill(&estate)?;
    let mut slapd = directory(&estate, &papers)?;
    estate.start(&["cvp1"])?;
    estate.account("cvp1", "1002", PASSWORD)?;
    let found = estate.ringfence_at("cvp1", &["account", "find", "Ada"])?;
    ensure!(found.contains("would be let in as agent, agent 1001"), "{found}");

    // Who is right comes in, three times on one question; nobody else does.
    eventually("the desk to open", SOON, || {
        let answer = ask(&estate, &[], "/finesse/api/SystemInfo");
        Ok(answer.map(drop).map_err(|error| error.to_string()))
    })?;
    let before = slapd.output().matches("BIND dn=\"uid=ada,").count();
    for _ in 0..3 {
        let (status, answer) = who(&estate, "ada:what ada says", USER)?;
        ensure!(status == 200 && answer.contains("<loginId>1001</loginId>"), "{status} {answer}");
    }
    let asked = slapd.output().matches("BIND dn=\"uid=ada,").count() - before;
    // slapd writes a line as the bind comes and one as it is let in.
    ensure!((1..=2).contains(&asked), "{asked} binds for three requests:\n{}", slapd.output());
    for (login, status, said) in [
        ("ada:guess", 401, "name or password is wrong"),
        ("ada:", 401, "name or password is wrong"),
        ("nobody:guess", 401, "name or password is wrong"),
        ("*:what ada says", 401, "name or password is wrong"),
        ("ad*:what ada says", 401, "name or password is wrong"),
        ("eve:what eve says", 403, "in no group of the directory that has a role here"),
        ("1002:what bob says", 401, "name or password is wrong"),
    ] {
        let (found, answer) = who(&estate, login, USER)?;
        ensure!(found == status && answer.contains(said), "{login}: {found} {answer}");
    }
    ensure!(!slapd.output().contains("BIND dn=\"\""), "an unauthenticated bind:\n{}", slapd.output());
    ensure!(who(&estate, "ada:what ada says", "/finesse/api/Users")?.0 == 401, "an agent saw everybody");
    ensure!(who(&estate, "root:what root says", "/finesse/api/Users")?.0 == 200, "an administrator did not");

    // It goes away: who is not known is told so, the store's account comes in.
    slapd.stop(SOON)?;
    let (status, answer) = who(&estate, "bob:what bob says", "/finesse/api/User/1002")?;
    ensure!(status == 503 && answer.contains("the directory does not answer"), "{status} {answer}");
    ensure!(who(&estate, &format!("1002:{PASSWORD}"), "/finesse/api/User/1002")?.0 == 200, "the store's account");
    let said = estate.ringfence_at("cvp1", &["account", "find", "bob"]).unwrap_or_else(|error| format!("{error:#}"));
    ensure!(said.contains("ldap://ldap.lab.example:389"), "{said}");

    // Somebody else stands in its place, with a certificate of an authority that nobody named: it hears no name.
    let stranger = directory(&estate, &other.issue(NAME, Path::new("stranger"))?)?;
    // After it did not answer it is left alone for a while.
    eventually("the stranger to be asked", SOON, || {
        let (status, answer) = who(&estate, "bob:what bob says", "/finesse/api/User/1002")?;
        ensure!(status == 503, "{status} {answer}");
        let asked = stranger.output().contains(" closed ");
        Ok(if asked { Ok(()) } else { Err(stranger.output()) })
    })?;
    ensure!(!stranger.output().contains("BIND"), "{}", stranger.output());
    drop(stranger);

    // It is back; the site now says TLS from the start and groups that entries name, and needs no restart for it.
    let slapd = directory(&estate, &papers)?;
    let site = fs::read_to_string(data.join("site.toml"))?;
    let site = site.replacen("ldap://", "ldaps://", 1).replacen("group_base = \"dc=lab,dc=example\"\n", "", 1);
    fs::write(data.join("site.toml"), site)?;
    estate.ringfence(&["reload", "--node", "cvp1"])?;
    let (status, answer) = who(&estate, "bob:what bob says", "/finesse/api/User/1002")?;
    ensure!(status == 200, "{status} {answer}\n{}", slapd.output());
    ensure!(who(&estate, "eve:what eve says", USER)?.0 == 403, "eve");
    estate.demand_clean_logs(&["what ada says", "what bob says", "what the service says", "what eve says", PASSWORD])
}

fn who(estate: &Estate, login: &str, path: &str) -> Result<(u16, String)> {
    ask(estate, &["-u", login], path)
}

fn no_password(estate: &Estate) -> Result<String> {
    let data = estate.data_of("cvp1");
    let failed = estate.ringfence_at("cvp1", &["account", "find", "ada"]);
    let why = failed.err().with_context(|| format!("{} found somebody without its password", data.display()))?;
    Ok(format!("{why:#}"))
}

/// The database, made with nobody listening.
fn fill(estate: &Estate) -> Result<()> {
    let host = estate.lab().host(HOST);
    fs::create_dir_all(host.directory().join("db"))?;
    fs::write(host.directory().join("people.ldif"), PEOPLE)?;
    configure(estate, &Papers { key: "none".into(), chain: "none".into(), authority: "none".into() })?;
    // Without papers: they are not needed to fill it.
    let path = host.directory().join("slapd.conf");
    let plain: Vec<String> =
        fs::read_to_string(&path)?.lines().filter(|line| !line.starts_with("TLS")).map(str::to_owned).collect();
    fs::write(&path, plain.join("\n"))?;
    host.start("slapadd", &["-f", text(&path)?, "-l", "people.ldif"])?.succeed(SOON)
}

fn configure(estate: &Estate, papers: &Papers) -> Result<()> {
    let folder = estate.lab().host(HOST).directory();
    let configuration = CONFIGURATION
        .replace("CHAIN", text(&papers.chain)?)
        .replace("KEY", text(&papers.key)?)
        .replace("FOLDER", text(&folder.join("db"))?);
    Ok(fs::write(folder.join("slapd.conf"), configuration)?)
}

/// In the foreground, telling what it is asked; it ends with the value.
fn directory(estate: &Estate, papers: &Papers) -> Result<Program> {
    configure(estate, papers)?;
    let host = estate.lab().host(HOST);
    let path = host.directory().join("slapd.conf");
    let listen = format!("ldap://{0}:389/ ldaps://{0}:636/", host.address);
    let slapd = host.start("slapd", &["-d", "stats", "-f", text(&path)?, "-h", &listen])?;
    slapd.expect("slapd starting", SOON)?;
    Ok(slapd)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not text")
}
