//! People of an LDAP directory (RFC 4511): an entry is searched by the name that somebody typed, then bound to with their
//! password; its groups say what they may do. One connection for each, to the first server that answers.

mod connection;
mod message;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use site::{Directory as Settings, LdapServer, Site, is_same_dn};
use store::DataDir;
use store::accounts::{Directory, NoPerson, Person, Role};
use trust::tls::Versions;

use self::connection::Connection;
use self::message::{Entry, Outcome, Search};

/// One server is waited for as long; a search that takes longer is given up by it.
const PATIENCE: Duration = Duration::from_secs(4);
/// Groups of one person that are looked at.
const MOST_GROUPS: u32 = 500;
/// What a search is asked that wants no attributes (RFC 4511 §4.5.1.8).
const NOTHING: &str = "1.1";

/// The directory of a site.
pub struct LdapDirectory {
    settings: Settings,
    servers: Vec<LdapServer>,
    versions: Versions,
    /// Whose roots are read for each connection: what is put there counts from the next.
    data: DataDir,
}

/// Who was found, before it is known whether it is them.
struct Found {
    entry: Entry,
    groups: Vec<String>,
}

impl LdapDirectory {
    /// The site's; `None`: it has none.
    ///
    /// # Errors
    /// The password of its `bind_dn`, or the authority that vouches for it, is not in the data directory.
    pub fn of(site: &Site, data: &DataDir) -> anyhow::Result<Option<LdapDirectory>> {
        let Some(settings) = site.directory.clone() else { return Ok(None) };
        let servers = settings.servers().map_err(anyhow::Error::msg)?;
        let versions = Versions { tls12: site.tls.has("1.2"), tls13: site.tls.has("1.3") };
        let directory = LdapDirectory { settings, servers, versions, data: data.clone() };
        directory.password().context("directory")?;
        directory.roots().context("directory")?;
        Ok(Some(directory))
    }

    /// Asks the servers in their order until one answers.
    fn ask<T>(&self, question: impl Fn(&mut Connection) -> Result<T, NoPerson>) -> Result<T, NoPerson> {
        let mut why = Vec::new();
        for server in &self.servers {
            let answer = self.connect(server).map_err(NoPerson::Unavailable).and_then(|mut connection| {
                let answer = question(&mut connection);
                connection.close();
                answer
            });
            match answer {
                Err(NoPerson::Unavailable(words)) => {
                    tracing::warn!(%server, why = words, "directory: no answer");
                    why.push(format!("{server}: {words}"));
                }
                answer => return answer,
            }
        }
        Err(NoPerson::Unavailable(why.join("; ")))
    }

    fn connect(&self, server: &LdapServer) -> Result<Connection, String> {
        let by = Instant::now() + PATIENCE;
        let tls = match server.tls || !self.settings.dangerous_plain_ldap {
            false => None,
            true => {
                let roots = self.roots().map_err(|error| format!("{error:#}"))?;
                let names = [server.host.clone()];
                let config = trust::tls::client_without_certificate(&roots, self.versions, &names);
                Some(config.map_err(|error| error.to_string())?)
            }
        };
        let mut connection = Connection::open(server, tls, by)?;
        if let Some(dn) = &self.settings.bind_dn {
            let password = self.password().map_err(|error| format!("{error:#}"))?;
            let outcome = connection.bind(dn, &password)?;
            if outcome.code != Outcome::SUCCESS {
                return Err(format!(
                    "it does not take bind_dn `{dn}` and the password in bind_password_file: {outcome}"
                ));
            }
        }
        Ok(connection)
    }

    fn roots(&self) -> anyhow::Result<Vec<String>> {
        roots_of(&self.data, self.settings.authority.as_deref(), "the directory's")
    }

    /// Of `bind_dn`; nobody's where there is none.
    fn password(&self) -> anyhow::Result<String> {
        let Some(file) = &self.settings.bind_password_file else { return Ok(String::new()) };
        let path = self.data.path().join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("bind_password_file: cannot read {}", path.display()))?;
        let password = text.lines().next().unwrap_or_default();
        ensure!(!password.is_empty(), "bind_password_file: the first line of {} is empty", path.display());
        Ok(password.to_owned())
    }

    /// The one entry of this name, with its groups.
    fn search(&self, connection: &mut Connection, name: &str) -> Result<Found, NoPerson> {
        let settings = &self.settings;
        let wrong = |words: String| NoPerson::Unavailable(format!("user_filter: {words}"));
        let filter = settings.user_filter(name).map_err(wrong)?;
        let searched = settings.group_base.is_none().then_some(settings.group_attribute.as_str());
        let mut attributes: Vec<&str> = settings.agent_attribute.as_deref().into_iter().chain(searched).collect();
        if attributes.is_empty() {
            attributes.push(NOTHING);
        }
        let search = Search {
            base: &settings.base,
            // Two are one too many, and enough to know it.
            most: 2,
            seconds: PATIENCE.as_secs() as u32,
            filter: &filter,
            attributes: &attributes,
        };
        let (mut found, outcome) = connection.search(search).map_err(NoPerson::Unavailable)?;
        if found.len() > 1 || outcome.code == Outcome::SIZE_LIMIT_EXCEEDED {
            tracing::warn!("directory: user_filter fits several entries for one name: nobody of that name is let in");
            return Err(NoPerson::NoRole("the directory has several people of this name".into()));
        }
        if outcome.code != Outcome::SUCCESS {
            return Err(NoPerson::Unavailable(format!("the search below `{}`: {outcome}", settings.base)));
        }
        let entry = found.pop().ok_or(NoPerson::Nobody)?;
        let groups = match &settings.group_base {
            None => entry.values(&settings.group_attribute).to_vec(),
            Some(base) => self.groups(connection, base, name, &entry.dn)?,
        };
        Ok(Found { entry, groups })
    }

    fn groups(&self, connection: &mut Connection, base: &str, name: &str, dn: &str) -> Result<Vec<String>, NoPerson> {
        let wrong = |words: String| NoPerson::Unavailable(format!("group_filter: {words}"));
        let filter = self.settings.group_filter(name, dn).map_err(wrong)?;
        let search = Search {
            base,
            most: MOST_GROUPS,
            seconds: PATIENCE.as_secs() as u32,
            filter: &filter,
            attributes: &[NOTHING],
        };
        let (found, outcome) = connection.search(search).map_err(NoPerson::Unavailable)?;
        // Some groups would give less than all of them: that is no answer.
        if outcome.code != Outcome::SUCCESS {
            return Err(NoPerson::Unavailable(format!("the search for groups below `{base}`: {outcome}")));
        }
        Ok(found.into_iter().map(|entry| entry.dn).collect())
    }

    /// What somebody may do, by their groups, and which agent they are.
    fn person(&self, name: &str, found: &Found) -> Result<Person, NoPerson> {
        let settings = &self.settings;
        let is_in = |groups: &[String]| groups.iter().any(|of| found.groups.iter().any(|is| is_same_dn(of, is)));
        let roles = [
            (Role::Administrator, &settings.administrator_groups),
            (Role::Supervisor, &settings.supervisor_groups),
            (Role::Agent, &settings.agent_groups),
        ];
        let role = roles.into_iter().find_map(|(role, groups)| is_in(groups).then_some(role));
        let words = || NoPerson::NoRole(format!("`{name}` is in no group of the directory that has a role here"));
        let role = role.ok_or_else(words)?;
        let agent = match &settings.agent_attribute {
            // As with accounts of the store, an administrator need not be an agent.
            None => (role != Role::Administrator).then(|| name.to_owned()),
            Some(attribute) => match found.entry.values(attribute) {
                [one] => Some(one.clone()),
                [] if role == Role::Administrator => None,
                several => {
                    let many = if several.is_empty() { "no" } else { "more than one" };
                    let words = format!(
                        "the directory has {many} `{attribute}` of `{name}`, so it is not known which agent they are"
                    );
                    return Err(NoPerson::NoRole(words));
                }
            },
        };
        Ok(Person { role, agent })
    }
}

/// Of this authority, with its lists; none is named: the site's own.
///
/// # Errors
/// It is not there.
pub(crate) fn roots_of(data: &DataDir, authority: Option<&str>, whose: &str) -> anyhow::Result<Vec<String>> {
    let Some(name) = authority else { return Ok(vec![data.own_trust_pem()?]) };
    let found = data.partners_trust_pem()?.into_iter().find(|(other, _)| other == name);
    let words = || {
        format!(
            "there is no roots/{name}.pem in the data directory: put there, in PEM, who vouches for {whose} certificate"
        )
    };
    Ok(vec![found.with_context(words)?.1])
}

impl Directory for LdapDirectory {
    fn log_in(&self, name: &str, password: &str) -> Result<Person, NoPerson> {
        self.ask(|connection| {
            let found = self.search(connection, name);
            // Whoever is not there costs the same round trips as whoever is.
            let nobody = format!("cn=nobody,{}", self.settings.base);
            let dn = found.as_ref().map_or(nobody.as_str(), |found| found.entry.dn.as_str());
            if matches!(found, Err(NoPerson::Unavailable(_))) || dn.is_empty() || password.is_empty() {
                return found.and(Err(NoPerson::Nobody));
            }
            let outcome = connection.bind(dn, password).map_err(NoPerson::Unavailable)?;
            match outcome.code {
                Outcome::SUCCESS => {}
                Outcome::INVALID_CREDENTIALS | Outcome::NO_SUCH_OBJECT => return Err(NoPerson::Nobody),
                Outcome::INAPPROPRIATE_AUTHENTICATION | Outcome::CONSTRAINT_VIOLATION | Outcome::UNWILLING => {
                    tracing::info!(%outcome, "directory: somebody's bind was refused");
                    return Err(NoPerson::Nobody);
                }
                _ => return Err(NoPerson::Unavailable(format!("a bind: {outcome}"))),
            }
            self.person(name, &found?)
        })
    }

    fn find(&self, name: &str) -> Result<Person, NoPerson> {
        self.ask(|connection| {
            let found = self.search(connection, name)?;
            self.person(name, &found)
        })
    }
}
