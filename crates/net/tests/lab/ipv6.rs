//! The whole call over IPv6: every node, the carrier and the phone on `::1`, told apart by their ports.

use super::*;

/// The example lab in short. Two trunks of one address could not be told apart, so the call manager has one.
const SITE: &str = r#"
name = "lab"
domain = "lab.example"

[[node]]
name = "cube1"
address = "::1"
secure_port = 12061
port = 12060
dangerous_plain_sip = true
control_port = 12071
media_ports = [24000, 24499]

[[node.role.sbc.dial_peer]]
tag = 6000100
incoming_called_number = "6..."
session_target = "ipv6:[::1]:5062"
session_transport = "udp"
srtp = false
dangerous_plain_rtp = true

[[node.role.sbc.dial_peer]]
tag = 6000
destination_pattern = "6..."
session_target = "ipv6:[::1]:12161"
secure_certificate_subject = ["cvp1.lab.example"]

[[node]]
name = "cvp1"
address = "::1"
secure_port = 12161
control_port = 12171

[node.role.call_server]
ingress_group = "cube1"
agent_group = "cucm1"
sip_server_group = [
  { name = "cube1", member = [{ host = "cube1.lab.example", address = "::1", secure_port = 12061 }] },
  { name = "vvb1", member = [{ host = "vvb1.lab.example", address = "::1", secure_port = 12261 }] },
  { name = "cucm1", member = [{ host = "cucm1.lab.example", address = "::1", secure_port = 12361 }] },
]
dialled_number = [{ pattern = "6016", group = "vvb1" }]
queue = [{ name = "sales" }]
agent = [{ id = "1001", extension = "1001", queues = ["sales"] }]

[[node]]
name = "vvb1"
address = "::1"
secure_port = 12261
control_port = 12271
media_ports = [24500, 24999]

[node.role.voice_browser]
secure_certificate_subject = ["cvp1.lab.example"]
application = [{ number = "6016", prompt = "welcome", choice = [{ digit = "1", queue = "sales" }] }]

[[node]]
name = "cucm1"
address = "::1"
secure_port = 12361
control_port = 12371

[node.role.call_manager]
sip_trunk_security_profile = [{ name = "cvp", secure_certificate_subject = ["cvp1.lab.example"], incoming_port = 12361 }]
sip_trunk = [{ name = "cvp", destination_address = "::1", destination_port = 12161, sip_trunk_security_profile = "cvp" }]
phone = [{ name = "SEP000000001001", line = "1001", digest_secret = "lab-1001-secret" }]
"#;

#[test]
fn the_whole_call_goes_over_ipv6() {
    whole_call(Lab::with("", SITE, |_| {}));
}
