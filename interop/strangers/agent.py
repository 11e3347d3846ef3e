"""An agent's desk on slixmpp, by the API's published guide, over TLS on 5223; each event's Update in one line.
Arguments: host, JID, password, the root certificate, nodes to subscribe to."""

import asyncio
import sys
import xml.etree.ElementTree as ET

import slixmpp

PUBSUB = "{http://jabber.org/protocol/pubsub}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"


class Desk(slixmpp.ClientXMPP):
    def __init__(self, jid, password, nodes):
        super().__init__(jid, password, sasl_mech="PLAIN")
        self.nodes = nodes
        self.register_plugin("xep_0060")
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_auth", lambda _: (print("refused", flush=True), self.abort()))
        self.register_handler(
            slixmpp.xmlstream.handler.Callback(
                "events", slixmpp.xmlstream.matcher.MatchXPath("{jabber:client}message/%sevent" % EVENT), self.told
            )
        )

    async def begin(self, _):
        print("connected", self.boundjid, flush=True)
        await self.get_roster()
        self.send_presence()
        for node in self.nodes:
            try:
                await self["xep_0060"].subscribe("pubsub." + self.boundjid.domain, node)
                print("subscribed", node, flush=True)
            except slixmpp.exceptions.IqError as error:
                print("not-subscribed", node, error.condition, flush=True)

    def told(self, message):
        for items in message.xml.iter(EVENT + "items"):
            for told in items.iter(PUBSUB + "notification"):
                ET.fromstring(told.text)
                print("event", items.get("node"), told.text, flush=True)


host, jid, password, root, *nodes = sys.argv[1:]
desk = Desk(jid, password, nodes)
desk.ca_certs = root
desk.enable_direct_tls = True
desk.enable_starttls = False
desk.connect(host, 5223)
desk.loop.add_reader(sys.stdin, desk.disconnect)
desk.loop.run_until_complete(desk.disconnected)
print("disconnected", flush=True)
