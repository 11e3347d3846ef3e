//! A call manager's certificates as its phones see them: which stand in the CTL and the ITL, and for what.

use std::net::IpAddr;

use crate::tvs::Directory;
use crate::{Certificate, Digest, Error, Function, Kind, ListSpec, Mode, Names, Record, Signer, TrustList};

/// Who serves phones, and with which certificates.
#[derive(Debug)]
pub struct Services {
    /// Host name as phones dial it.
    pub host: String,
    pub address: IpAddr,
    /// Signs both lists, so that no other certificate's renewal locks phones out.
    pub recovery: Signer,
    /// Signs configuration.
    pub call_manager: Signer,
    /// What the SIP and HTTPS listeners show.
    pub tls: Certificate,
    /// What they showed before and some phones still know, or will show next.
    pub also: Vec<Certificate>,
    pub capf: Certificate,
    pub tvs: Certificate,
    /// What of the services was renewed, with what it was for: phones that know it still find it. And what is announced:
    /// phones learn of it before it is shown.
    pub before: Vec<(Certificate, Function)>,
    /// SHA-512 unless phones of the oldest kind are to be served.
    pub digest: Digest,
}

impl Services {
    fn record(&self, certificate: &Certificate, function: Function) -> Record {
        Record::new(certificate, function, &self.host, Some(self.address))
    }

    /// Every certificate with what it is good for.
    fn certificates(&self) -> Vec<(&Certificate, Function)> {
        let before = |wanted: Function| {
            let of_it = self.before.iter().filter(move |(_, function)| *function == wanted);
            of_it.map(|(certificate, function)| (certificate, *function))
        };
        let mut all = vec![(self.recovery.certificate(), Function::Sast)];
        all.extend(before(Function::Sast));
        all.push((self.call_manager.certificate(), Function::CallManagerAndTftp));
        all.extend(before(Function::CallManagerAndTftp));
        for tls in std::iter::once(&self.tls).chain(&self.also) {
            all.extend([(tls, Function::CallManagerAndTftp), (tls, Function::Tftp)]);
        }
        all.push((&self.capf, Function::Capf));
        all.extend(before(Function::Capf));
        all.push((&self.tvs, Function::Tvs));
        all.extend(before(Function::Tvs));
        all
    }

    /// The list of this kind in this mode, made at `timestamp`. In non-secure mode a CTL's call managers are stubs.
    ///
    /// # Errors
    /// The names make the header too long.
    pub fn list(&self, kind: Kind, mode: Mode, timestamp: u32) -> Result<TrustList, Error> {
        let wanted = |function: Function| match kind {
            Kind::Ctl => !matches!(function, Function::Tvs | Function::Tftp),
            Kind::Itl => true,
        };
        let mut records = Vec::new();
        for (certificate, function) in self.certificates().into_iter().filter(|(_, function)| wanted(*function)) {
            let stub = (kind, mode, function) == (Kind::Ctl, Mode::NonSecure, Function::CallManagerAndTftp);
            records.push(match stub {
                true => Record::stub(function, &self.host, self.address),
                false => self.record(certificate, function),
            });
        }
        records.dedup();
        let spec = ListSpec {
            kind,
            signer_version: Some((1, 1)),
            digest: self.digest,
            timestamp,
            names: Names::Equipment,
            records,
        };
        spec.sign(&self.recovery)
    }

    /// Whether a list says what a new one would: nothing needs to be written again.
    pub fn is_current(&self, list: &TrustList, mode: Mode) -> bool {
        let timestamp = list.header().timestamp;
        self.list(list.kind(), mode, timestamp).is_ok_and(|fresh| fresh.octets() == list.octets())
    }

    /// What TVS vouches for.
    pub fn directory(&self) -> Directory {
        let mut directory = Directory::default();
        for (certificate, function) in self.certificates() {
            directory.add(certificate, function);
        }
        directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{self as keys, NOW, certificate, signer};
    use crate::{Holding, Outcome};

    fn services() -> Services {
        Services {
            host: "cucm1.lab.example".into(),
            address: [127, 18, 133, 3].into(),
            recovery: signer(keys::RECOVERY),
            call_manager: signer(keys::CALL_MANAGER),
            tls: certificate(keys::TFTP_EC),
            also: Vec::new(),
            capf: certificate(keys::CAPF),
            tvs: certificate(keys::TVS),
            before: Vec::new(),
            digest: Digest::Sha512,
        }
    }

    #[test]
    fn a_phone_takes_both_lists_and_finds_every_service_in_them() {
        let services = services();
        let mut phone = Holding::default();
        let itl = services.list(Kind::Itl, Mode::Mixed, NOW).unwrap();
        assert_eq!(phone.offer(itl.octets()), Ok(Outcome::First));
        let ctl = services.list(Kind::Ctl, Mode::Mixed, NOW).unwrap();
        assert_eq!(phone.offer(ctl.octets()), Ok(Outcome::Updated));
        for function in [Function::Capf, Function::Tvs, Function::Tftp, Function::CallManagerAndTftp] {
            assert!(!phone.certificates(function).is_empty(), "{function}");
        }
        assert!(services.is_current(&itl, Mode::Mixed) && services.is_current(&ctl, Mode::Mixed));
        let other = Services { tvs: certificate(keys::STRANGER), ..services };
        assert!(!other.is_current(&itl, Mode::Mixed));
    }

    #[test]
    fn a_certificate_that_is_announced_stands_beside_the_one_in_force() {
        let services = Services { also: vec![certificate(keys::STRANGER)], ..services() };
        let ctl = services.list(Kind::Ctl, Mode::Mixed, NOW).unwrap();
        let known: Vec<&Certificate> =
            ctl.of(Function::CallManagerAndTftp).filter_map(|record| record.certificate()).collect();
        assert!(known.contains(&&certificate(keys::TFTP_EC)) && known.contains(&&certificate(keys::STRANGER)));
        let ctl = services.list(Kind::Ctl, Mode::NonSecure, NOW).unwrap();
        assert_eq!(ctl.of(Function::CallManagerAndTftp).count(), 1, "one stub for all");
    }

    /// A phone that was off while a service was renewed takes the list that tells of it, and the service's word counts.
    #[test]
    fn a_renewed_service_is_learned_from_a_list_that_the_phone_can_verify() {
        let mut phone = Holding::default();
        let services = services();
        phone.offer(services.list(Kind::Itl, Mode::Mixed, NOW).unwrap().octets()).unwrap();
        let renewed = Services {
            tvs: certificate(keys::STRANGER),
            before: vec![(certificate(keys::TVS), Function::Tvs)],
            ..services
        };
        let list = renewed.list(Kind::Itl, Mode::Mixed, NOW + 1).unwrap();
        assert_eq!(phone.offer(list.octets()), Ok(Outcome::Updated));
        let known = phone.certificates(Function::Tvs);
        assert_eq!(known.len(), 2, "the one of before, too");
    }

    #[test]
    fn leaving_mixed_mode_keeps_a_list_of_stubs() {
        let ctl = services().list(Kind::Ctl, Mode::NonSecure, NOW).unwrap();
        let stubs: Vec<&Record> = ctl.of(Function::CallManagerAndTftp).collect();
        assert_eq!(stubs.len(), 1);
        assert!(stubs.iter().all(|record| record.certificate().is_none()));
        assert!(ctl.verify_itself().is_ok());
        assert!(ctl.of(Function::Capf).all(|record| record.certificate().is_some()));
    }
}
