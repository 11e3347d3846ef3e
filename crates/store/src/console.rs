//! The private key that a node's console is known by (SSH host key): made once, kept beside the node's other keys.

use std::fs;

use anyhow::{Context, ensure};

use crate::data_dir::DataDir;
use crate::files;

impl DataDir {
    /// The key of a node's console as it was kept; the first time, as `make` makes it.
    ///
    /// # Errors
    /// The node is not of this data directory, the key cannot be read or kept, others on this host may read it.
    pub fn console_key(&self, node: &str, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
        let folder = self.node_folder(node);
        ensure!(
            folder.exists(),
            "node `{node}` is not of this data directory: run `ringfence --data {} init SITE`",
            self.path().display()
        );
        let file = folder.join("console.key");
        let _lock = self.lock()?;
        if !file.exists() {
            files::write_private(&file, make()?.as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        let others = files::is_open_to_others(&file).with_context(|| format!("cannot read {}", file.display()))?;
        ensure!(!others, "{} can be read by others on this host: chmod 600 it", file.display());
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use super::*;
    use crate::test_folder::Folder;

    const SITE: &str = "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"cube1\"\naddress = \"127.0.0.1\"\n[node.role.sbc]\n";

    #[test]
    fn it_is_made_once_and_nobody_else_may_read_it() {
        let folder = Folder::new();
        let (dir, _) = DataDir::init(&folder.path("data"), SITE, SystemTime::now()).unwrap();
        assert_eq!(dir.console_key("cube1", || Ok("first".into())).unwrap(), "first");
        assert_eq!(dir.console_key("cube1", || panic!("there is one")).unwrap(), "first");
        assert!(dir.console_key("cube2", || Ok("x".into())).unwrap_err().to_string().contains("cube2"));
        let file = folder.path("data/nodes/cube1/console.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(dir.console_key("cube1", || Ok("x".into())).unwrap_err().to_string().contains("chmod 600"));
    }
}
