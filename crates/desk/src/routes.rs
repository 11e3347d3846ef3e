//! The table of the interface's resources: requests find theirs by it, and the description of the interface (OpenAPI 3.1) is
//! made of it. What is in the one is in the other.

use serde_json::{Map, Value, json};

use crate::Method;
use crate::request::{ROOT, Resource};

/// Where events come from, and where this description is: beside the API's resources.
pub(crate) const EVENTS: &str = "/api/v1/events";
pub(crate) const DESCRIPTION: &str = "/api/v1/openapi.json";

/// A resource below the API's root, and what can be done with it.
struct Route {
    /// Words in braces stand for any one word; the last of them is what the resource is called by.
    path: &'static str,
    make: fn(&str) -> Resource,
    query: Option<&'static str>,
    methods: &'static [(Method, &'static str)],
}

const fn read(path: &'static str, make: fn(&str) -> Resource, methods: &'static [(Method, &'static str)]) -> Route {
    Route { path, make, query: None, methods }
}

const ROUTES: &[Route] = &[
    read("SystemInfo", |_| Resource::SystemInfo, &[(Method::Get, "the system; without a log-in")]),
    read("Users", |_| Resource::Users, &[(Method::Get, "all agents; administrators")]),
    read(
        "User/{user}",
        |id| Resource::User(id.into()),
        &[(Method::Get, "an agent"), (Method::Put, "ask for a state; what comes of it is an event")],
    ),
    read(
        "User/{user}/Dialogs",
        |id| Resource::Dialogs(id.into()),
        &[(Method::Get, "an agent's calls"), (Method::Post, "make a call, or listen to one or barge in")],
    ),
    read("User/{user}/Queues", |id| Resource::Queues(id.into()), &[(Method::Get, "queues that an agent serves")]),
    Route {
        query: Some("category"),
        ..read(
            "User/{user}/ReasonCodes",
            |id| Resource::UserReasonCodes(id.into()),
            &[(Method::Get, "reasons that an agent may give")],
        )
    },
    read(
        "User/{user}/WrapUpReasons",
        |id| Resource::UserWrapUpReasons(id.into()),
        &[(Method::Get, "wrap-up reasons that an agent may give")],
    ),
    read("User/{user}/ReasonCode/{code}", |id| Resource::ReasonCode(id.into()), &[(Method::Get, "a reason")]),
    read(
        "User/{user}/WrapUpReason/{reason}",
        |id| Resource::WrapUpReason(id.into()),
        &[(Method::Get, "a wrap-up reason")],
    ),
    read(
        "Dialog/{dialog}",
        |id| Resource::Dialog(id.into()),
        &[(Method::Get, "a call"), (Method::Put, "an action on it; what comes of it is an event")],
    ),
    read("Queue/{queue}", |id| Resource::Queue(id.into()), &[(Method::Get, "a queue's statistics")]),
    Route {
        query: Some("includeLoggedOutAgents"),
        ..read("Team/{team}", |id| Resource::Team(id.into()), &[(Method::Get, "a team; its supervisors")])
    },
    Route {
        query: Some("category"),
        ..read("ReasonCodes", |_| Resource::ReasonCodes, &[(Method::Get, "all reasons; administrators")])
    },
    read("ReasonCode/{code}", |id| Resource::ReasonCode(id.into()), &[(Method::Get, "a reason")]),
    read("WrapUpReasons", |_| Resource::WrapUpReasons, &[(Method::Get, "all wrap-up reasons; administrators")]),
    read("WrapUpReason/{reason}", |id| Resource::WrapUpReason(id.into()), &[(Method::Get, "a wrap-up reason")]),
];

/// What these words of a path name.
pub(crate) fn of(words: &[&str]) -> Option<Resource> {
    ROUTES.iter().find_map(|route| {
        let mut named = "";
        let mut expected = route.path.split('/');
        for word in words {
            match expected.next()? {
                stands_for_any if stands_for_any.starts_with('{') => named = *word,
                expected if expected == *word => {}
                _ => return None,
            }
        }
        expected.next().is_none().then(|| (route.make)(named))
    })
}

/// The description of all of it.
pub(crate) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let methods = route
            .methods
            .iter()
            .map(|(method, summary)| (method.word().to_lowercase(), route.describe(*method, summary)));
        paths.insert(format!("{ROOT}/{}", route.path), Value::Object(methods.collect()));
    }
    let node = json!({
        "name": "node",
        "in": "query",
        "required": false,
        "description": "of others: agents, their calls and queues, teams, queues; one's own come by themselves",
        "schema": { "type": "array", "items": { "type": "string" } },
    });
    let last = json!({
        "name": "Last-Event-ID",
        "in": "header",
        "required": false,
        "description": "where an earlier stream ended: nothing since then is missed, or `lost` is told first",
        "schema": { "type": "string" },
    });
    let stream = json!({
        "description": "Server-Sent Events: `event` is the node, `data` its <Update>",
        "content": { "text/event-stream": { "schema": { "type": "string" } } },
    });
    let events = operation("what happens, as it happens", vec![node, last], ("200", stream));
    paths.insert(EVENTS.into(), json!({ "get": events }));
    let this = json!({ "description": "this", "content": { "application/json": { "schema": { "type": "object" } } } });
    paths.insert(DESCRIPTION.into(), json!({ "get": operation("this document", Vec::new(), ("200", this)) }));
    let text = || json!({ "type": "string" });
    let leaves = |name: &str, fields: &[&str]| {
        let fields: Map<String, Value> = fields.iter().map(|field| ((*field).to_owned(), text())).collect();
        json!({ "type": "object", "xml": { "name": name }, "properties": fields })
    };
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Ringfence: agents' desks", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "account": [] }],
        "paths": paths,
        "components": {
            "schemas": {
                "User": leaves("User", &["state", "extension", "reasonCodeId"]),
                "Dialog": leaves("Dialog", &[
                    "requestedAction", "targetMediaAddress", "fromAddress", "toAddress", "associatedDialogUri",
                    "actionParams", "mediaProperties",
                ]),
                "ApiErrors": {
                    "type": "object",
                    "xml": { "name": "ApiErrors" },
                    "properties": { "ApiError": leaves("ApiError", &["ErrorType", "ErrorData", "ErrorMessage"]) },
                },
            },
            "securitySchemes": { "account": { "type": "http", "scheme": "basic" } },
        },
    })
}

fn operation(summary: &str, parameters: Vec<Value>, (status, good): (&str, Value)) -> Value {
    json!({
        "summary": summary,
        "parameters": parameters,
        "responses": {
            status: good,
            "default": {
                "description": "what is wrong, in the API's words",
                "content": { "application/xml": { "schema": { "$ref": "#/components/schemas/ApiErrors" } } },
            },
        },
    })
}

impl Route {
    fn describe(&self, method: Method, summary: &str) -> Value {
        let named = self.path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
        let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } });
        let mut parameters: Vec<Value> = named.map(|name| parameter(name, "path")).collect();
        parameters.extend(self.query.map(|name| parameter(name, "query")));
        let good = match method {
            Method::Get => (
                "200",
                json!({ "description": summary, "content": { "application/xml": { "schema": { "type": "object" } } } }),
            ),
            Method::Put | Method::Post | Method::Delete => ("202", json!({ "description": "accepted" })),
        };
        let mut operation = operation(summary, parameters, good);
        if let (Some(body), Some(operation)) = (self.body(method), operation.as_object_mut()) {
            let schema = json!({ "$ref": format!("#/components/schemas/{body}") });
            let content = json!({ "application/xml": { "schema": schema } });
            operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
            let id = json!({
                "name": "requestId",
                "in": "header",
                "required": false,
                "description": "comes again in the event",
                "schema": { "type": "string" },
            });
            if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
                parameters.push(id);
            }
        }
        operation
    }

    /// The root of what is sent.
    fn body(&self, method: Method) -> Option<&'static str> {
        match ((self.make)(""), method) {
            (_, Method::Get) => None,
            (Resource::User(_), _) => Some("User"),
            (Resource::Dialogs(_) | Resource::Dialog(_), _) => Some("Dialog"),
            _ => None,
        }
    }
}
