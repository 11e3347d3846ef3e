//! SIP server groups and their members, dialled numbers, queues, agents.

use crate::check::Check;
use crate::{
    Agent, CallServer, DialPeer, DialledNumber, Member, Node, OutgoingNumber, Pattern, Role, SipServerGroup, Target,
};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, server: &CallServer, path: &str) {
    let groups: Vec<&str> = server.sip_server_groups.iter().map(|group| group.name.as_str()).collect();
    check.unique(&format!("{path}.sip_server_group"), "name", groups.iter().copied());
    check.refers(format!("{path}.agent_group"), "sip_server_group", &server.agent_group, &groups);
    check.refers(format!("{path}.ingress_group"), "sip_server_group", &server.ingress_group, &groups);
    if let Some(group) = &server.conference_group {
        check.refers(format!("{path}.conference_group"), "sip_server_group", group, &groups);
        for member in server.group(group).into_iter().flat_map(|group| &group.members) {
            if member.secure_port.is_none() {
                check.error(
                    format!("{path}.conference_group"),
                    format!("member `{}` of `{group}` is plain SIP: nobody can know who listens", member.host),
                    "give it a `secure_port`",
                );
            }
        }
    }
    for (at, group) in server.sip_server_groups.iter().enumerate() {
        members(check, node, group, &format!("{path}.sip_server_group[{at}]"));
    }
    check.unique(
        &format!("{path}.dialled_number"),
        "pattern",
        server.dialled_numbers.iter().map(|number| number.pattern.as_str()),
    );
    if server.dialled_numbers.is_empty() {
        check.warning(
            path,
            format!("`{}` has no dialled number: every call will be refused", node.name),
            "add `[[node.role.call_server.dialled_number]]`",
        );
    }
    for (at, number) in server.dialled_numbers.iter().enumerate() {
        dialled_number(check, server, number, &groups, &format!("{path}.dialled_number[{at}]"));
    }
    check.unique(
        &format!("{path}.outgoing_number"),
        "pattern",
        server.outgoing_numbers.iter().map(|number| number.pattern.as_str()),
    );
    for (at, number) in server.outgoing_numbers.iter().enumerate() {
        outgoing_number(check, node, server, number, &groups, &format!("{path}.outgoing_number[{at}]"));
    }
    check.patterns(&format!("{path}.browsers_may_dial"), &server.browsers_may_dial);
    if let Some(desk) = &server.desk {
        let mut used = match desk.address.is_none_or(|address| address == node.address) {
            true => vec![
                Some(node.secure_port),
                Some(node.control_port),
                node.port,
                node.websocket_port,
                node.console_port_here(),
            ],
            false => Vec::new(),
        };
        for (field, port) in desk.ports() {
            if used.contains(&Some(port)) {
                check.error(
                    format!("{path}.desk.{field}"),
                    format!("port {port} of node `{}` has another use", node.name),
                    format!("give `{field}` one of its own, or leave it out for 8445, 7443 and 5223"),
                );
            }
            used.push(Some(port));
        }
    }
    let queues: Vec<&str> = server.queues.iter().map(|queue| queue.name.as_str()).collect();
    check.unique(&format!("{path}.queue"), "name", queues.iter().copied());
    check.unique(&format!("{path}.agent"), "id", server.agents.iter().map(|agent| agent.id.as_str()));
    check.unique(&format!("{path}.agent"), "extension", server.agents.iter().map(|agent| agent.extension.as_str()));
    for (at, agent) in server.agents.iter().enumerate() {
        one_agent(check, server, agent, &queues, &format!("{path}.agent[{at}]"));
    }
    let routing = server.routing();
    for flaw in &routing.flaws {
        let path = format!("{path}.{}", flaw.path);
        match flaw.is_warning {
            true => check.warning(path, flaw.what.as_str(), flaw.fix.as_str()),
            false => check.error(path, flaw.what.as_str(), flaw.fix.as_str()),
        }
    }
    if routing.flaws.iter().any(|flaw| !flaw.is_warning) {
        return;
    }
    for (at, queue) in routing.plan.queues.iter().enumerate() {
        if !routing.plan.agents.iter().any(|agent| queue.is_served_by(agent)) {
            check.warning(
                format!("{path}.queue[{at}].name"),
                format!("no agent serves queue `{}`: callers wait in it for ever", queue.name),
                "add it to an agent's `queues`, or an agent with the attributes that its steps ask for",
            );
        }
    }
    for (at, agent) in routing.plan.agents.iter().enumerate() {
        // Supervisors come into others' calls.
        let supervises = routing.plan.teams.iter().any(|team| team.supervisors.contains(&agent.id));
        let served = routing.plan.queues.iter().any(|queue| queue.is_served_by(agent));
        if agent.queues.is_empty() && !served && !supervises {
            check.warning(
                format!("{path}.agent[{at}].queues"),
                format!("agent `{}` is in no queue and will get no call", agent.id.0),
                "write `queues = [\"…\"]`, or `attributes` that a queue asks for",
            );
        }
    }
}

fn members(check: &mut Check<'_, '_, '_>, node: &Node, group: &SipServerGroup, path: &str) {
    if group.members.is_empty() {
        check.error(
            path,
            format!("sip_server_group `{}` has no member", group.name),
            "add `[[node.role.call_server.sip_server_group.member]]` with `host`, `address`, `secure_port`",
        );
    }
    let addresses =
        group.members.iter().map(|member| format!("{}:{}", member.address, member.secure_port.unwrap_or(member.port)));
    check.unique(&format!("{path}.member"), "address", addresses);
    for (at, member) in group.members.iter().enumerate() {
        one_member(check, node, member, &format!("{path}.member[{at}]"));
    }
}

fn one_member(check: &mut Check<'_, '_, '_>, node: &Node, member: &Member, path: &str) {
    let host = &member.host;
    if host.is_empty() || host.contains('*') {
        check.error(
            format!("{path}.host"),
            format!("member {} has no host name to check its certificate by", member.address),
            "write the CN or SAN of its certificate in full",
        );
    }
    check.authority(format!("{path}.authority"), member.authority.as_deref(), member.secure_port.is_some());
    match (member.secure_port, member.dangerous_plain_sip) {
        (None, false) => {
            check.error(
                format!("{path}.secure_port"),
                format!("member `{host}` is not secure: it has no `secure_port`"),
                "write `secure_port = 5061`; or `dangerous_plain_sip = true` here and at the node, and answer for it",
            );
        }
        (None, true) => {
            check.plain_sip_needs_word(format!("{path}.dangerous_plain_sip"), node, &format!("member `{host}`"))
        }
        (Some(port), true) => check.warning(
            format!("{path}.dangerous_plain_sip"),
            format!("member `{host}` has `dangerous_plain_sip = true`, but is reached over TLS on port {port}"),
            "remove one of the two",
        ),
        (Some(_), false) => {}
    }
    let Some(ours) = check.node_at(member.address, member.secure_port) else {
        return;
    };
    check.expects_our_node(format!("{path}.host"), std::slice::from_ref(host), member.address, member.secure_port);
    if let Some(port) = member.secure_port.filter(|port| *port != ours.secure_port) {
        check.warning(
            format!("{path}.secure_port"),
            format!("member `{host}` is node `{}`, which listens on {}, not on {port}", ours.name, ours.secure_port),
            format!("write `secure_port = {}`", ours.secure_port),
        );
    }
}

fn dialled_number(
    check: &mut Check<'_, '_, '_>,
    server: &CallServer,
    number: &DialledNumber,
    groups: &[&str],
    path: &str,
) {
    let pattern = match Pattern::parse(&number.pattern) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            check.error(
                format!("{path}.pattern"),
                format!("dialled number `{}`: {error}", number.pattern),
                "write the number, e.g. `6016`, or a pattern, e.g. `60..`",
            );
            None
        }
    };
    if !check.refers(format!("{path}.group"), "sip_server_group", &number.group, groups) {
        return;
    }
    let Some(application) = number.application.clone().or_else(|| pattern?.literal()) else {
        return;
    };
    let members = server.group(&number.group).map(|group| group.members.as_slice()).unwrap_or_default();
    let nodes: Vec<&Node> =
        members.iter().filter_map(|member| check.node_at(member.address, member.secure_port)).collect();
    for node in nodes {
        let Role::VoiceBrowser(browser) = &node.role else {
            let what = format!(
                "group `{}` answers dialled number `{}`, but its member `{}` is a {}",
                number.group,
                number.pattern,
                node.name,
                node.role.word()
            );
            check.error(format!("{path}.group"), what, "name a group of voice browsers");
            continue;
        };
        if !browser.applications.iter().any(|have| have.number == application) {
            let what = format!(
                "dialled number `{}` may go to `{}`, which has no application `{application}`",
                number.pattern, node.name
            );
            check.error(
                format!("{path}.pattern"),
                what,
                format!("add the application to `{}`, or name one with `application`", node.name),
            );
        }
    }
}

/// A way out must lead to border controllers that let these calls through, and must not lead agents' own phones out.
fn outgoing_number(
    check: &mut Check<'_, '_, '_>,
    node: &Node,
    server: &CallServer,
    number: &OutgoingNumber,
    groups: &[&str],
    path: &str,
) {
    match Pattern::parse(&number.pattern) {
        Ok(pattern) => {
            let inside = server.agents.iter().find(|agent| pattern.matches(&agent.extension).is_some());
            if let Some(agent) = inside {
                check.error(
                    format!("{path}.pattern"),
                    format!("`{}` also takes {}, the extension of agent {}", number.pattern, agent.extension, agent.id),
                    "give numbers outside a prefix of their own, e.g. `0T`, or end the pattern with `$`",
                );
            }
        }
        Err(error) => check.error(
            format!("{path}.pattern"),
            format!("outgoing number `{}`: {error}", number.pattern),
            "write the prefix by which agents call out and `T`, e.g. `0T`",
        ),
    }
    if let Some(shown) = &number.calling_number
        && !crate::number::is_number(shown)
    {
        check.error(
            format!("{path}.calling_number"),
            format!("`{shown}` is no number that others could call back"),
            "write its digits, after a `+` where the carrier expects one",
        );
    }
    if !check.refers(format!("{path}.group"), "sip_server_group", &number.group, groups) {
        return;
    }
    let members = server.group(&number.group).map(|group| group.members.as_slice()).unwrap_or_default();
    let found: Vec<&Node> =
        members.iter().filter_map(|member| check.node_at(member.address, member.secure_port)).collect();
    for border in found {
        let Role::Sbc(sbc) = &border.role else {
            let what = format!(
                "group `{}` leads out, but its member `{}` is a {}",
                number.group,
                border.name,
                border.role.word()
            );
            check.error(format!("{path}.group"), what, "name a group of border controllers");
            continue;
        };
        let ours =
            |target: &str| matches!(Target::parse(target), Ok(Target::Address(addr)) if addr.ip() == node.address);
        let lets_in = |peer: &&DialPeer| ours(&peer.session_target) && peer.incoming_called_number.is_some();
        if !sbc.dial_peers.iter().any(|peer| lets_in(&peer)) {
            check.error(
                format!("{path}.group"),
                format!("`{}` takes no calls from `{}`: they will be refused with 404", border.name, node.name),
                format!("write `incoming_called_number = \"{}\"` at its dial-peer to `{}`", number.pattern, node.name),
            );
        }
    }
}

fn one_agent(check: &mut Check<'_, '_, '_>, server: &CallServer, agent: &Agent, queues: &[&str], path: &str) {
    for (at, queue) in agent.queues.iter().enumerate() {
        check.refers(format!("{path}.queues[{at}]"), "queue", queue, queues);
    }
    let Some(group) = server.group(&server.agent_group) else {
        return;
    };
    let site = check.site;
    for node in site.nodes.iter().filter(|node| group.members.iter().any(|member| member.address == node.address)) {
        let Role::CallManager(manager) = &node.role else {
            continue;
        };
        let lines: Vec<&str> = manager.phones.iter().map(|phone| phone.line.as_str()).collect();
        check.refers(format!("{path}.extension"), "phone line", &agent.extension, &lines);
    }
}
