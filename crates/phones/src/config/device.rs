//! `SEP<MAC>.cnf.xml`: all that a SIP phone of the Cisco line is told.

use super::Xml;
use crate::capf::AuthMode;

/// deviceSecurityMode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityMode {
    /// Loudly named where a site sets it.
    NonSecure,
    /// TLS with media in clear.
    Authenticated,
    Encrypted,
}

impl SecurityMode {
    fn code(self) -> u8 {
        match self {
            SecurityMode::NonSecure => 1,
            SecurityMode::Authenticated => 2,
            SecurityMode::Encrypted => 3,
        }
    }
}

/// transportLayerProtocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
    Tls,
}

impl Transport {
    fn code(self) -> u8 {
        match self {
            Transport::Tcp => 1,
            Transport::Udp => 2,
            Transport::Tls => 3,
        }
    }
}

/// Whom a phone registers with, in order of priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallManager {
    pub name: String,
    /// Host name or address that the phone dials.
    pub host: String,
    pub sip_port: u16,
    pub secure_sip_port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capf {
    pub mode: AuthMode,
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Directory number.
    pub number: String,
    pub display_name: String,
    /// Digest credentials; `None` when the certificate alone admits.
    pub digest: Option<(String, String)>,
    pub max_calls: u8,
    pub busy_trigger: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeedDial {
    pub label: String,
    pub number: String,
}

/// vendorConfig: what can be disabled when it is not used (contract 183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorConfig {
    pub pc_port: bool,
    pub pc_voice_vlan_access: bool,
    pub gratuitous_arp: bool,
    pub settings_button: bool,
    pub ssh: bool,
    pub console: bool,
    pub web: bool,
}

impl Default for VendorConfig {
    /// Everything that opens a door is shut.
    fn default() -> Self {
        VendorConfig {
            pc_port: true,
            pc_voice_vlan_access: false,
            gratuitous_arp: false,
            settings_button: true,
            ssh: false,
            console: false,
            web: false,
        }
    }
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// `SEP<MAC>`.
    pub name: String,
    pub label: String,
    pub security_mode: SecurityMode,
    pub transport: Transport,
    /// Where the phone takes SIP.
    pub sip_port: u16,
    pub call_managers: Vec<CallManager>,
    /// Host and port of each.
    pub tvs: Vec<(String, u16)>,
    pub capf: Option<Capf>,
    pub lines: Vec<Line>,
    pub speed_dials: Vec<SpeedDial>,
    /// First and last RTP port.
    pub media_ports: (u16, u16),
    /// Firmware to load; empty for what the phone has.
    pub load: String,
    /// Names of files beside this one; empty for none.
    pub dial_template: String,
    pub soft_keys: String,
    pub time_zone: String,
    pub ntp: Vec<String>,
    pub locale: String,
    pub vendor: VendorConfig,
    /// Changes whenever the configuration does, so that a phone knows.
    pub version_stamp: String,
}

/// EF for voice, AF41 for video, as octets of the TOS field (contract 179).
const AUDIO_TOS: u8 = 184;
const VIDEO_TOS: u8 = 136;

impl Device {
    /// The whole configuration.
    pub fn full(&self) -> String {
        self.document(None)
    }

    /// The whole configuration of a phone whose own is encrypted to the certificate of this hash.
    pub fn full_encrypted(&self, certificate_hash: &str) -> String {
        self.document(Some(certificate_hash))
    }

    /// What an encrypted phone is told in clear: where CAPF is, and to which certificate its configuration is encrypted.
    pub fn short(&self, certificate_hash: &str) -> String {
        let mut xml = Xml::new("device", &[]);
        xml.flag("fullConfig", false);
        xml.text("ipAddressMode", 0).text("loadInformation", &self.load);
        self.capf(&mut xml);
        xml.text("certHash", certificate_hash).flag("encrConfig", true);
        xml.finish()
    }

    fn document(&self, certificate_hash: Option<&str>) -> String {
        let mut xml = Xml::new("device", &[]);
        xml.flag("fullConfig", true).text("deviceProtocol", "SIP").text("ipAddressMode", 0);
        xml.flag("allowAutoConfig", true).flag("dadEnable", true).flag("redirectEnable", false);
        self.pool(&mut xml);
        self.trust_verification(&mut xml);
        self.sip(&mut xml);
        xml.start("commonProfile", &[]).text("phonePassword", "").flag("backgroundImageAccess", true);
        xml.text("callLogBlfEnabled", 2).end();
        xml.text("loadInformation", &self.load);
        self.vendor(&mut xml);
        xml.text("versionStamp", format!("{{{}}}", self.version_stamp));
        xml.start("userLocale", &[]).text("name", &self.locale).text("winCharSet", "utf-8").end();
        xml.text("networkLocale", &self.locale);
        xml.text("deviceSecurityMode", self.security_mode.code());
        xml.text("transportLayerProtocol", self.transport.code()).text("TLSResumptionTimer", 3600);
        xml.text("phonePersonalization", 0).text("dndCallAlert", 5).text("dndReminderTimer", 5);
        xml.text("advertiseG722Codec", 1);
        self.capf(&mut xml);
        xml.text("certHash", certificate_hash.unwrap_or_default());
        xml.flag("encrConfig", certificate_hash.is_some());
        xml.finish()
    }

    fn pool(&self, xml: &mut Xml) {
        xml.start("devicePool", &[]);
        xml.start("dateTimeSetting", &[]).text("dateTemplate", "D/M/Ya").text("timeZone", &self.time_zone);
        xml.start("ntps", &[]);
        for ntp in &self.ntp {
            xml.start("ntp", &[]).text("name", ntp).text("ntpMode", "Unicast").end();
        }
        xml.end().end();
        xml.start("callManagerGroup", &[]).start("members", &[]);
        for (priority, manager) in self.call_managers.iter().enumerate() {
            xml.start("member", &[("priority", &priority.to_string())]).start("callManager", &[]);
            xml.text("name", &manager.name).start("ports", &[]).text("ethernetPhonePort", 2000);
            xml.text("sipPort", manager.sip_port).text("securedSipPort", manager.secure_sip_port).end();
            xml.text("processNodeName", &manager.host).end().end();
        }
        xml.end().end();
        xml.start("srstInfo", &[]).text("srstOption", "Disable").flag("isSecure", false).end();
        xml.end();
    }

    fn trust_verification(&self, xml: &mut Xml) {
        xml.start("TVS", &[]).start("members", &[]);
        for (priority, (host, port)) in self.tvs.iter().enumerate() {
            let priority = priority.to_string();
            xml.start("member", &[("priority", &priority)]).text("port", port).text("address", host).end();
        }
        xml.end().end();
    }

    fn sip(&self, xml: &mut Xml) {
        xml.start("sipProfile", &[]);
        xml.start("sipProxies", &[]).flag("registerWithProxy", true).end();
        xml.start("sipCallFeatures", &[]).flag("cnfJoinEnabled", true);
        for (name, uri) in [
            ("callForwardURI", "cfwdall"),
            ("callPickupURI", "pickup"),
            ("callPickupListURI", "opickup"),
            ("callPickupGroupURI", "gpickup"),
            ("meetMeServiceURI", "meetme"),
            ("abbreviatedDialURI", "abbrdial"),
        ] {
            xml.text(name, format!("x-cisco-serviceuri-{uri}"));
        }
        xml.flag("rfc2543Hold", false).text("callHoldRingback", 2).flag("localCfwdEnable", true);
        xml.flag("semiAttendedTransfer", true).text("anonymousCallBlock", 2).text("callerIdBlocking", 2);
        xml.text("dndControl", 0).flag("remoteCcEnable", true).end();
        xml.start("sipStack", &[]);
        for (name, value) in [
            ("sipInviteRetx", 6),
            ("sipRetx", 10),
            ("timerInviteExpires", 180),
            ("timerRegisterExpires", 3600),
            ("timerRegisterDelta", 5),
            ("timerKeepAliveExpires", 120),
            ("timerSubscribeExpires", 120),
            ("timerSubscribeDelta", 5),
            ("timerT1", 500),
            ("timerT2", 4000),
            ("maxRedirects", 70),
        ] {
            xml.text(name, value);
        }
        xml.flag("remotePartyID", true).text("userInfo", "None").end();
        xml.flag("transferOnhookEnabled", true).flag("enableVad", false).text("dtmfAvtPayload", 101);
        xml.text("dtmfDbLevel", 3).text("dtmfOutofBand", "avt").text("kpml", 3).text("phoneLabel", &self.label);
        xml.flag("callStats", true);
        xml.text("startMediaPort", self.media_ports.0).text("stopMediaPort", self.media_ports.1);
        self.lines(xml);
        xml.text("voipControlPort", self.sip_port);
        xml.text("dscpForAudio", AUDIO_TOS).text("dscpVideo", VIDEO_TOS).text("ringSettingBusyStationPolicy", 0);
        xml.text("dialTemplate", &self.dial_template).text("softKeyFile", &self.soft_keys);
        xml.end();
    }

    fn lines(&self, xml: &mut Xml) {
        const LINE: u8 = 9;
        const SPEED_DIAL: u8 = 2;
        xml.start("sipLines", &[]);
        for (at, line) in self.lines.iter().enumerate() {
            let number = (at + 1).to_string();
            xml.start("line", &[("button", &number), ("lineIndex", &number)]).text("featureID", LINE);
            xml.text("featureLabel", &line.number).text("proxy", "USECALLMANAGER");
            xml.text("port", if self.transport == Transport::Tls { 5061 } else { 5060 });
            xml.text("name", &line.number).text("displayName", &line.display_name);
            xml.start("autoAnswer", &[]).text("autoAnswerEnabled", 2).end().text("callWaiting", 3);
            // Other lines ride on the first one's registration.
            if let (0, Some((user, secret))) = (at, &line.digest) {
                xml.text("authName", user).text("authPassword", secret);
            }
            xml.text("contact", &line.number).flag("sharedLine", false).text("messageWaitingLampPolicy", 3);
            xml.text("messagesNumber", "").text("ringSettingIdle", 4).text("ringSettingActive", 5);
            xml.start("forwardCallInfoDisplay", &[]).flag("callerName", true).flag("callerNumber", true);
            xml.flag("redirectedNumber", false).flag("dialedNumber", true).end();
            xml.text("maxNumCalls", line.max_calls).text("busyTrigger", line.busy_trigger).end();
        }
        for (at, dial) in self.speed_dials.iter().enumerate() {
            let button = (self.lines.len() + at + 1).to_string();
            xml.start("line", &[("button", &button)]).text("featureID", SPEED_DIAL);
            xml.text("featureLabel", &dial.label).text("speedDialNumber", &dial.number).end();
        }
        xml.end();
    }

    fn vendor(&self, xml: &mut Xml) {
        let vendor = &self.vendor;
        // 0 is on and 1 off for all of these but SSH and the console's port, where phones have it the other way.
        let off = |on: bool| u8::from(!on);
        xml.start("vendorConfig", &[]);
        xml.text("pcPort", off(vendor.pc_port)).text("voiceVlanAccess", off(vendor.pc_voice_vlan_access));
        xml.text("garp", off(vendor.gratuitous_arp)).text("settingsAccess", u8::from(vendor.settings_button));
        xml.text("sshAccess", off(vendor.ssh)).text("sshPort", 22).text("rearUsb", 0);
        xml.text("webAccess", off(vendor.web)).text("webProtocol", 1).text("logServer", "");
        xml.text("consoleAccess", off(vendor.console)).end();
    }

    fn capf(&self, xml: &mut Xml) {
        if let Some(capf) = &self.capf {
            xml.text("capfAuthMode", capf.mode.code()).start("capfList", &[]).start("capf", &[]);
            xml.text("phonePort", capf.port).text("processNodeName", &capf.host).end().end();
        }
    }
}
