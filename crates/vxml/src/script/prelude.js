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

  // --- DOM level 2 core, for reading: [name, {attributes}, [children]] or a text.
  function dom(tree) {
    var doc = node(9, "#document", null, null);
    function node(type, name, text, parent) {
      return {
        nodeType: type, nodeName: name, nodeValue: text, parentNode: parent, ownerDocument: doc, childNodes: [],
        firstChild: null, lastChild: null, previousSibling: null, nextSibling: null, attributes: null,
        hasChildNodes: function () { return this.childNodes.length > 0; },
        toString: function () { return "[" + name + "]"; }
      };
    }
    function list(array) {
      array.item = function (n) { return n in array ? array[n] : null; };
      return array;
    }
    function adopt(parent, child) {
      var before = parent.childNodes[parent.childNodes.length - 1];
      if (before) { before.nextSibling = child; child.previousSibling = before; }
      parent.childNodes.push(child);
      parent.firstChild = parent.childNodes[0];
      parent.lastChild = child;
    }
    function named(element, name, found) {
      element.childNodes.forEach(function (child) {
        if (child.nodeType !== 1) return;
        if (name === "*" || child.nodeName === name) found.push(child);
        named(child, name, found);
      });
      return found;
    }
    function build(tree, parent) {
      if (typeof tree === "string") {
        var text = node(3, "#text", tree, parent);
        text.data = tree;
        text.length = tree.length;
        return text;
      }
      var element = node(1, tree[0], null, parent), attributes = [];
      element.tagName = element.localName = tree[0];
      Object.keys(tree[1]).forEach(function (name) {
        var attribute = node(2, name, tree[1][name], null);
        attribute.name = name;
        attribute.value = tree[1][name];
        attribute.specified = true;
        attributes.push(attribute);
      });
      element.attributes = list(attributes);
      element.attributes.getNamedItem = function (name) {
        return attributes.filter(function (a) { return a.name === name; })[0] || null;
      };
      element.getAttribute = function (name) { return name in tree[1] ? tree[1][name] : ""; };
      element.hasAttribute = function (name) { return name in tree[1]; };
      element.hasAttributes = function () { return attributes.length > 0; };
      element.getAttributeNode = element.attributes.getNamedItem;
      element.getElementsByTagName = function (name) { return list(named(element, name, [])); };
      tree[2].forEach(function (child) { adopt(element, build(child, element)); });
      list(element.childNodes);
      return element;
    }
    doc.documentElement = build(tree, doc);
    adopt(doc, doc.documentElement);
    list(doc.childNodes);
    doc.getElementsByTagName = function (name) { return list(named(doc, name, [])); };
    return doc;
  }

  var arrays = [];
  var doors = {
    clock: function (ms) { clock = +ms; },
    seed: function (seed) { dice = (+seed | 0) || 1; },
    session: function (json) { var all = JSON.parse(json); for (var name in all) session[name] = all[name]; },
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
