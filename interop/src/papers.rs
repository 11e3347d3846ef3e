//! Certificates made with `openssl` for what Ringfence must not issue: an authority that it does not
//! know, certificates that have expired, and phones that meet without Ringfence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::phone::Papers;
use crate::requirements;

/// An authority of our own, in a directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    /// Makes a new one.
    pub fn new(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let authority = Self { directory: directory.to_owned() };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 10 \
             -subj /CN=Interop-Authority -addext keyUsage=critical,keyCertSign,cRLSign",
        )?;
        Ok(authority)
    }

    /// Issues a key and a certificate for `name`, as subject and as DNS name, kept in the folder `folder`.
    pub fn issue(&self, name: &str, folder: &Path) -> Result<Papers> {
        let folder = self.directory.join(folder);
        fs::create_dir_all(&folder)?;
        let (key, chain) = (folder.join("key.pem"), folder.join("chain.pem"));
        let extensions = folder.join("extensions");
        fs::write(
            &extensions,
            format!(
                "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                 extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:{name}\n"
            ),
        )?;
        let request = folder.join("request.pem");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {} -out {} -subj /CN={name}",
            key.display(),
            request.display()
        ))?;
        self.openssl(&format!(
            "x509 -req -in {} -CA ca.pem -CAkey ca.key -CAcreateserial -days 5 -extfile {} -out {}",
            request.display(),
            extensions.display(),
            chain.display()
        ))?;
        Ok(Papers { key, chain, authority: self.directory.join("ca.pem") })
    }

    fn openssl(&self, arguments: &str) -> Result<()> {
        let output = Command::new(requirements::find("openssl")?)
            .args(arguments.split_whitespace())
            .current_dir(&self.directory)
            .output()?;
        ensure!(output.status.success(), "openssl {arguments}:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
