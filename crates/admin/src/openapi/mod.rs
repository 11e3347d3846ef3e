//! `/api/v1/openapi.json` (OpenAPI 3.1): made of the table that also makes the server's routes, and of the types that
//! are sent and come back.

mod shape;

use axum::routing::MethodRouter;
use net::NodeHandle;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Problem;

pub(crate) const PATH: &str = "/api/v1/openapi.json";

/// A request that is answered, and by what.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) handler: MethodRouter<NodeHandle>,
    method: &'static str,
    summary: &'static str,
    query: Option<&'static str>,
    asked: Option<Value>,
    /// `None`: 204, and nothing.
    answered: Option<Value>,
}

impl Route {
    /// A GET that is answered by a `T`.
    pub(crate) fn get<T: for<'de> Deserialize<'de>>(
        path: &'static str,
        handler: MethodRouter<NodeHandle>,
        summary: &'static str,
    ) -> Route {
        Route { path, handler, method: "get", summary, query: None, asked: None, answered: Some(shape::of::<T>()) }
    }

    /// A POST that is answered by nothing.
    pub(crate) fn post(path: &'static str, handler: MethodRouter<NodeHandle>, summary: &'static str) -> Route {
        Route { path, handler, method: "post", summary, query: None, asked: None, answered: None }
    }

    /// With a body that is an `A`.
    pub(crate) fn of<A: for<'de> Deserialize<'de>>(self) -> Route {
        Route { asked: Some(shape::of::<A>()), ..self }
    }

    /// Answered by a `T`.
    pub(crate) fn answered<T: for<'de> Deserialize<'de>>(self) -> Route {
        Route { answered: Some(shape::of::<T>()), ..self }
    }

    /// With a value in the query that may be left out.
    pub(crate) fn may(self, query: &'static str) -> Route {
        Route { query: Some(query), ..self }
    }

    fn describe(&self) -> Value {
        let segments = self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let parameter = |name: &str, place: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } });
        let mut parameters: Vec<Value> = segments.map(|name| parameter(name, "path")).collect();
        parameters.extend(self.query.map(|name| parameter(name, "query")));
        let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
        let sorry = json!({
            "description": "what is wrong, in words",
            "content": content(&json!({ "$ref": "#/components/schemas/Problem" })),
        });
        let (status, good) = match &self.answered {
            Some(schema) => ("200", json!({ "description": self.summary, "content": content(schema) })),
            None => ("204", json!({ "description": "done" })),
        };
        let mut operation = json!({
            "summary": self.summary,
            "parameters": parameters,
            "responses": { status: good, "default": sorry },
        });
        if let (Some(schema), Some(operation)) = (&self.asked, operation.as_object_mut()) {
            operation.insert("requestBody".into(), json!({ "required": true, "content": content(schema) }));
        }
        operation
    }
}

/// The document of these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.to_owned(), route.describe());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Ringfence: control link of a node", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "administrator": [] }],
        "paths": paths,
        "components": {
            "schemas": { "Problem": shape::of::<Problem>() },
            "securitySchemes": { "administrator": { "type": "mutualTLS" } },
        },
    })
}
