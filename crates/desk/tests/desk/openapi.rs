//! The description that the desk serves of itself, walked over real sockets: what it says is so, and no more is there.

use serde_json::Value;

use crate::https::listen;
use crate::lab::{Lab, PASSWORD, basic};

#[tokio::test]
async fn every_path_of_the_description_is_answered_as_it_says() {
    let lab = Lab::start(16).await;
    let own = basic("1001", PASSWORD);
    let (head, _) = lab.ask("GET", "/api/v1/openapi.json", "", "").await;
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    let (head, document) = lab.ask("GET", "/api/v1/openapi.json", &own, "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: application/json"), "{head}");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut walked, mut good) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap();
        let mut real = path.replace("{user}", "1001").replace("{dialog}", "1").replace("{queue}", "sales");
        for name in ["{team}", "{code}", "{reason}"] {
            real = real.replace(name, "none");
        }
        assert!(!real.contains('{'), "{path}");
        for (method, operation) in methods {
            let parameters = operation["parameters"].as_array().unwrap();
            let braces = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(braces, path.matches('{').count(), "{path}");
            walked += 1;
            if path == "/api/v1/events" {
                listen(&lab, "1001", None).await;
                good += 1;
                continue;
            }
            let body = operation.pointer("/requestBody/content/application~1xml/schema/$ref");
            let root = body.map(|body| body.as_str().unwrap().rsplit('/').next().unwrap());
            // The root that it says, with nothing in it: understood, and something is missing.
            let body = root.map(|root| format!("<{root}/>")).unwrap_or_default();
            let (head, answer) = lab.ask(&method.to_uppercase(), &real, &own, &body).await;
            let status = &head[9..12];
            let responses = &operation["responses"];
            let said = responses.get(status).unwrap_or(&responses["default"]);
            for (kind, _) in said["content"].as_object().into_iter().flatten() {
                assert!(head.contains(&format!("content-type: {kind}")), "{method} {path}: {head}");
            }
            match status {
                "200" => good += 1,
                "400" => assert!(answer.contains("<ErrorType>Parameter Missing<"), "{method} {path}: {answer}"),
                // Not the agent's to see; or there is none of this name.
                "401" => assert!(!answer.contains("UNAUTHORIZED"), "{method} {path}: {answer}"),
                "404" => assert!(!answer.contains("there is no resource"), "{method} {path}: {answer}"),
                _ => panic!("{method} {path}: {head} {answer}"),
            }
        }
        // What it does not say is not done.
        for method in ["PUT", "POST", "DELETE"].iter().filter(|method| !methods.contains_key(&method.to_lowercase())) {
            let (head, answer) = lab.ask(method, &real, &own, "").await;
            let configuration = head.starts_with("HTTP/1.1 401") && answer.contains("is no administrator");
            let unknown = path == "/api/v1/events" || path == "/api/v1/openapi.json";
            let refused = if unknown { head.starts_with("HTTP/1.1 404") } else { head.starts_with("HTTP/1.1 405") };
            assert!(refused || configuration, "{method} {path}: {head} {answer}");
        }
    }
    assert!(walked >= 20 && good >= 8, "{good} of {walked}");
    lab.stop().await;
}
