// What the engine keeps inside ECMAScript: scopes (VoiceXML 2.0 5.1.2), semantic tags (SISR 1.0 3-6), the read-only
// document model of <data> (2.1 5), and a clock and dice that come from outside, so that a session can be run again.
(function (global) {
  var NativeDate = Date, clock = 0, dice = 1;

  function VoiceDate(year, month, day, hour, minute, second, ms) {
    if (!(this instanceof VoiceDate)) return new NativeDate(clock).toString();
    switch (arguments.length) {
      case 0: return new NativeDate(clock);
      case 1: return new NativeDate(year);
      default:
        return new NativeDate(year, month, day === undefined ? 1 : day, hour || 0, minute || 0, second || 0, ms || 0);
    }
  }
  VoiceDate.prototype = NativeDate.prototype;
  NativeDate.prototype.constructor = VoiceDate;
  VoiceDate.parse = NativeDate.parse;
  VoiceDate.UTC = NativeDate.UTC;
  VoiceDate.now = function () { return clock; };
  global.Date = VoiceDate;

  Math.random = function () {
    dice ^= dice << 13; dice ^= dice >>> 17; dice ^= dice << 5;
    return (dice >>> 0) / 4294967296;
  };

  // --- scopes: an evaluator lies within the `with` of its own variables, and that within the next wider one's.
  var root = function ($s) { return (0, eval)($s); };
  function nest(outer, variables) {
    return outer("(function($o){with($o){return function($s){return eval($s)}}})")(variables);
  }
  var session = Object.create(null), contexts = [], context = null;

  function top() { return context.levels[context.levels.length - 1]; }
  function level(n) { return n < 0 ? top() : context.levels[n]; }
  function value(source) { return top().evaluate("(" + source + "\n)"); }
  function copy(source) { return source === undefined ? undefined : JSON.parse(source); }

  // --- semantic tags: events are ["(", rule], ["t", word], ["g", tag, literal], [")"].
  function interpret(events) {
    var at = 0;
    function rule(name) {
      var words = [], out = {}, tagged = false, last, literal, rules = {};
      var text = function () { return words.join(" "); };
      rules.latest = function () { return last; };
      for (; at < events.length; at++) {
        var event = events[at];
        if (event[0] === ")") break;
        if (event[0] === "t") words.push(event[1]);
        if (event[0] === "(") {
          at++;
          var inner = rule(event[1]);
          rules[event[1]] = last = inner.out;
          words = words.concat(inner.words);
        }
        if (event[0] === "g" && event[2]) { tagged = true; literal = event[1]; }
        if (event[0] === "g" && !event[2]) {
          tagged = true;
          var scope = { out: out, rules: rules, meta: { current: function () { return { text: text(), score: 1 }; } } };
          Function("$c", "with($c){" + event[1] + "\n}")(scope);
          out = scope.out;
        }
      }
      if (literal !== undefined) out = literal;
      else if (!tagged) out = last !== undefined ? last : text();
      return { out: out, words: words };
    }
    at++;
    return rule("").out;
  }

  // --- DOM level 2 core, for reading (2.1 appendix D); `document/dom.rs` says what it is made of.
  var methods = {
    hasChildNodes: function () { return this.childNodes.length > 0; },
    hasAttributes: function () { return this.attributes !== null && this.attributes.length > 0; },
    toString: function () { return "[" + this.nodeName + "]"; }
  };
  function extended(more) {
    var all = Object.create(methods);
    for (var name in more) all[name] = more[name];
    return all;
  }
  var characters = extended({
    substringData: function (from, count) { return this.data.substr(from, count); }
  });
  var searches = {
    getElementsByTagName: function (name) {
      return list(found(this, function (e) { return name === "*" || e.nodeName === name; }, []));
    },
    getElementsByTagNameNS: function (uri, name) {
      return list(found(this, function (e) {
        return (uri === "*" || e.namespaceURI === (uri || null)) && (name === "*" || e.localName === name);
      }, []));
    }
  };
  var documents = extended(searches), elements = extended(searches);
  elements.getAttributeNode = function (name) { return this.attributes.getNamedItem(name); };
  elements.getAttributeNodeNS = function (uri, name) { return this.attributes.getNamedItemNS(uri, name); };
  elements.getAttribute = function (name) { return valueOf(this.getAttributeNode(name)); };
  elements.getAttributeNS = function (uri, name) { return valueOf(this.getAttributeNodeNS(uri, name)); };
  elements.hasAttribute = function (name) { return this.getAttributeNode(name) !== null; };
  elements.hasAttributeNS = function (uri, name) { return this.getAttributeNodeNS(uri, name) !== null; };
  function valueOf(attribute) { return attribute === null ? "" : attribute.value; }
  function found(node, fits, all) {
    node.childNodes.forEach(function (child) {
      if (child.nodeType !== 1) return;
      if (fits(child)) all.push(child);
      found(child, fits, all);
    });
    return all;
  }
  function item(n) { return n in this ? this[n] : null; }
  function list(array) {
    array.item = item;
    return array;
  }
  function first(array, fits) {
    for (var at = 0; at < array.length; at++) if (fits(array[at])) return array[at];
    return null;
  }
  function named(array) {
    array.getNamedItem = function (name) { return first(this, function (a) { return a.name === name; }); };
    array.getNamedItemNS = function (uri, name) {
      return first(this, function (a) { return a.namespaceURI === (uri || null) && a.localName === name; });
    };
    return list(array);
  }
  function dom(children) {
    var doc = node(documents, 9, "#document", null);
    function node(kind, type, name, parent) {
      var made = Object.create(kind);
      made.nodeType = type;
      made.nodeName = name;
      made.nodeValue = made.attributes = made.firstChild = made.lastChild = null;
      made.previousSibling = made.nextSibling = made.namespaceURI = made.prefix = made.localName = null;
      made.parentNode = parent;
      made.ownerDocument = type === 9 ? null : doc;
      made.childNodes = list([]);
      return made;
    }
    function data(type, name, text, parent) {
      var made = node(characters, type, name, parent);
      made.nodeValue = made.data = text;
      made.length = text.length;
      return made;
    }
    function qualified(made, uri) {
      var parts = made.nodeName.split(":");
      made.namespaceURI = uri;
      made.localName = parts.pop();
      made.prefix = parts.length ? parts[0] : null;
      return made;
    }
    function adopt(parent, trees) {
      trees.forEach(function (tree) {
        var child = build(tree, parent), before = parent.lastChild;
        if (before) { before.nextSibling = child; child.previousSibling = before; }
        parent.childNodes.push(child);
        parent.firstChild = parent.childNodes[0];
        parent.lastChild = child;
      });
    }
    function build(tree, parent) {
      if (typeof tree === "string") return data(3, "#text", tree, parent);
      if ("c" in tree) return data(8, "#comment", tree.c, parent);
      if ("t" in tree) {
        var instruction = node(methods, 7, tree.t, parent);
        instruction.target = tree.t;
        instruction.nodeValue = instruction.data = tree.d;
        return instruction;
      }
      var element = qualified(node(elements, 1, tree[0], parent), tree[1]);
      element.tagName = tree[0];
      element.attributes = named(tree[2].map(function (given) {
        var attribute = qualified(node(methods, 2, given[0], null), given[1]);
        attribute.name = given[0];
        attribute.nodeValue = attribute.value = given[2];
        attribute.specified = true;
        attribute.ownerElement = element;
        return attribute;
      }));
      adopt(element, tree[3]);
      return element;
    }
    doc.doctype = null;
    adopt(doc, children);
    doc.documentElement = first(doc.childNodes, function (child) { return child.nodeType === 1; });
    return doc;
  }

  var arrays = [];
  var doors = {
    clock: function (ms) { clock = +ms; },
    seed: function (seed) { dice = (+seed | 0) || 1; },
    session: function (json) {
      var all = JSON.parse(json), connection = all.connection;
      // Who called: callers call us (2.0 5.1.4).
      if (connection && connection.remote && !connection.originator) connection.originator = connection.remote;
      for (var name in all) session[name] = all[name];
    },
    // A new execution context: a document and what it calls do not see each other's variables (2.0 2.3.4).
    open: function () {
      var names = Object.create(null);
      names.session = session;
      contexts.push(context);
      context = { names: names, levels: [{ variables: session, evaluate: nest(nest(root, names), session) }] };
    },
    close: function () { context = contexts.pop(); },
    enter: function (name) {
      var variables = Object.create(null);
      if (name) context.names[name] = variables;
      context.levels.push({ variables: variables, evaluate: nest(top().evaluate, variables) });
    },
    // A document without a root document is its own (2.0 1.5.2): what it declares is the application's.
    alone: function () { context.names.document = context.names.application; },
    leave: function (depth) { context.levels.length = +depth; },
    declare: function (n, name, source) {
      level(+n).variables[name] = source === undefined ? undefined : value(source);
    },
    known: function (n, name) { return name in level(+n).variables ? "y" : undefined; },
    // application.lastresult$ is a list and its first at once (2.0 5.1.5).
    result: function (json) {
      var all = JSON.parse(json), list = all.slice();
      for (var field in all[0]) list[field] = all[0][field];
      (context.names.application || context.levels[1].variables)["lastresult$"] = list;
    },
    put: function (n, name, json) { level(+n).variables[name] = copy(json); },
    adopt: function (n, name, json) {
      var target = level(+n).variables;
      for (var at = context.levels.length - 1; n < 0 && at > 0; at--) {
        if (name in context.levels[at].variables) { target = context.levels[at].variables; break; }
      }
      target[name] = dom(JSON.parse(json));
    },
    assign: function (name, source) {
      var found = value(source);
      top().evaluate("(" + name + ")");
      top().evaluate("(function($x){" + name + "=$x})")(found);
    },
    clear: function (name) { top().evaluate("(function(){" + name + "=undefined})")(); },
    unset: function (n, name) { return level(+n).variables[name] === undefined ? "y" : undefined; },
    string: function (source) { return String(value(source)); },
    truth: function (source) { return value(source) ? "y" : undefined; },
    json: function (source) { return JSON.stringify(value(source)); },
    type: function (source) { return typeof value(source); },
    script: function (n, names, source) {
      var variables = level(+n).variables;
      names.split(" ").forEach(function (name) {
        if (name && !(name in variables)) variables[name] = undefined;
      });
      level(+n).evaluate("(function($d){" + source + "\n})")(variables);
    },
    compiles: function (source) { Function("return (" + source + "\n)"); },
    compiles_script: function (source) { Function(source); },
    // <foreach> (2.1 6): the array is looked at once; its items are themselves, not copies.
    foreach: function (source) {
      var array = value(source);
      if (!Array.isArray(array)) throw new TypeError("`" + source + "` is no array");
      arrays.push(array.slice());
      return String(array.length);
    },
    item: function (at, name) { top().variables[name] = arrays[arrays.length - 1][+at]; },
    done: function () { arrays.pop(); },
    interpret: function (events) { return JSON.stringify(interpret(JSON.parse(events))); }
  };
  Object.defineProperty(global, "$vxml", { value: Object.freeze(doors) });
})(globalThis);
