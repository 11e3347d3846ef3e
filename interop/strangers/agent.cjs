// An agent's desk on strophe.js, by the API's published guide: connect, presence, subscribe; each event's Update in one
// line. Arguments: service (https://…/http-bind or wss://…/ws), JID, password, nodes to subscribe to.
const { Strophe, $pres, $iq } = require("strophe.js");

// Strophe reads an answer as browsers hold it ready: as a document.
globalThis.XMLHttpRequest = class extends require("xhr2") {
  get responseXML() {
    const whole = this.readyState === 4 && this.responseText;
    return whole ? new DOMParser().parseFromString(this.responseText, "text/xml") : null;
  }
  set responseXML(_) {}
};

const [service, jid, password, ...nodes] = process.argv.slice(2);
const connection = new Strophe.Connection(service);
const say = (...words) => console.log(words.join(" "));

function update(message) {
  for (const items of message.getElementsByTagName("items")) {
    const told = items.getElementsByTagName("notification")[0].textContent;
    say("event", items.getAttribute("node"), told);
  }
  return true;
}

connection.connect(jid, password, (status, condition) => {
  if (status === Strophe.Status.AUTHFAIL) {
    say("refused", condition);
    process.exit(1);
  }
  if (status === Strophe.Status.DISCONNECTED) {
    say("disconnected");
    process.exit(0);
  }
  if (status !== Strophe.Status.CONNECTED) return;
  say("connected", connection.jid);
  connection.addHandler(update, null, "message");
  connection.addHandler((presence) => (say("presence", presence.getAttribute("from")), true), null, "presence");
  connection.send($pres().c("priority").t("1"));
  const pubsub = "pubsub." + Strophe.getDomainFromJid(jid);
  for (const node of nodes) {
    const ask = $iq({ type: "set", to: pubsub })
      .c("pubsub", { xmlns: "http://jabber.org/protocol/pubsub" })
      .c("subscribe", { node, jid: connection.jid });
    connection.sendIQ(ask, () => say("subscribed", node), () => say("not-subscribed", node));
  }
});
process.stdin.on("data", () => connection.disconnect("done"));
