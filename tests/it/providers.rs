//! Providers of the customer's own: kept by name, sealed into sessions, never shown.

use theazo::{
    Config, Theazo,
    transport::Transport,
    types::{ComputeProviderConfig, ModelProviderConfig, ProviderConfig},
};
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::Worlds;

const CANARY: &str = "tz_canary_provider_0123456789";

fn client(plane: &ControlPlane, compute: Option<ComputeProviderConfig>) -> Theazo {
    let mut config = Config::with_api_key(plane.live_key().unwrap());
    config = config.models(ModelProviderConfig::new("anthropic").credential("apiKey", CANARY));
    if let Some(compute) = compute {
        config = config.compute(compute);
    }
    Theazo::over(Transport::to_plane(plane, config).unwrap())
}

#[tokio::test]
async fn a_provider_is_set_listed_replaced_and_forgotten() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    ours.secrets().set([("anthropic_key", CANARY)]).await.unwrap();

    let set = ours.providers().set("anthropic").credential_ref("anthropic_key").await.unwrap();
    let gateway =
        ProviderConfig { base_url: Some("http://localhost:11434/v1".to_owned()), ..ProviderConfig::default() };
    ours.providers().set("openai").config(gateway.clone()).await.unwrap();
    ours.providers().set("e2b").credential_ref("anthropic_key").await.unwrap();

    assert_eq!((set.name.as_str(), set.kind.as_str()), ("anthropic", "model"));
    assert_eq!(set.credential_ref.as_deref(), Some("anthropic_key"));
    let listed = ours.providers().list().await.unwrap().data;
    let names: Vec<&str> = listed.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["anthropic", "e2b", "openai"]);
    assert_eq!(ours.providers().list().kind("compute").await.unwrap().data.len(), 1);
    assert_eq!(ours.providers().get("openai").await.unwrap().config, gateway);
    assert_eq!(theirs.providers().list().await.unwrap().data.len(), 0);
    assert_eq!(theirs.providers().get("openai").await.unwrap_err().code().as_str(), "not_found");
    ours.providers().delete("openai").await.unwrap();
    assert_eq!(ours.providers().get("openai").await.unwrap_err().code().as_str(), "not_found");
    assert_eq!(ours.providers().delete("openai").await.unwrap_err().code().as_str(), "not_found");
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_refused_where_it_is_set() {
    let Worlds { ours, plane: _plane, .. } = Worlds::start().await;
    let at = |base_url: Option<&str>, endpoint: Option<&str>| ProviderConfig {
        base_url: base_url.map(str::to_owned),
        endpoint: endpoint.map(str::to_owned),
    };
    let field = |error: theazo::Error| error.details()["fields"][0]["field"].as_str().unwrap_or_default().to_owned();
    let set = |name: &str, config| ours.providers().set(name).config(config);

    assert_eq!(field(set("aws", at(Some("https://a"), None)).await.unwrap_err()), "name");
    assert_eq!(field(set("openai", at(None, Some("https://a"))).await.unwrap_err()), "config.endpoint");
    assert_eq!(field(set("e2b", at(Some("https://a"), None)).await.unwrap_err()), "config.baseUrl");
    assert_eq!(field(ours.providers().set("openai").credential_ref("nowhere").await.unwrap_err()), "credentialRef");
    assert_eq!(ours.providers().list().await.unwrap().data.len(), 0);
}

#[tokio::test]
async fn an_agent_runs_on_the_customers_machines_or_not_at_all() {
    let theazo = Theazo::embedded().await.unwrap();
    theazo.secrets().set([("e2b_key", CANARY)]).await.unwrap();
    theazo.providers().set("e2b").credential_ref("e2b_key").await.unwrap();
    let session = theazo.sessions().for_user("ada").await.unwrap();

    let refused = session.agents().create().await.unwrap_err();
    let chosen = session.agents().create().provider("simulated").await.unwrap();
    theazo.providers().delete("e2b").await.unwrap();
    let default = session.agents().create().await.unwrap();

    assert_eq!(refused.code().as_str(), "no_providers_available");
    assert!(refused.to_string().contains("there is no provider `e2b` here"), "{refused}");
    assert_eq!((chosen.data().provider.as_str(), default.data().provider.as_str()), ("simulated", "local"));
}

#[tokio::test]
async fn providers_are_sealed_into_a_session_once_and_replaced_when_they_change() {
    let directory = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(PlaneConfig::default().data_dir(directory.path())).await.unwrap();
    let plain = Theazo::over(Transport::to_plane(&plane, Config::with_api_key(plane.live_key().unwrap())).unwrap());
    let models_only = client(&plane, None);
    let with_compute = client(&plane, Some(ComputeProviderConfig::new("simulated")));

    let without = plain.sessions().for_user("ada").await.unwrap();
    assert_eq!(without.data().providers_digest, None);
    let first = models_only.sessions().for_user("ada").await.unwrap();
    let again = models_only.sessions().for_user("ada").await.unwrap();
    let changed = with_compute.sessions().for_user("ada").await.unwrap();

    assert_eq!([first.id(), again.id(), changed.id()], [without.id(); 3], "it is one session all the time");
    assert_eq!(first.data().providers_digest.as_deref().map(str::len), Some(64));
    assert_eq!(first.data().providers_digest, again.data().providers_digest);
    assert_ne!(first.data().providers_digest, changed.data().providers_digest);
    let agent = changed.agents().create().await.unwrap();
    assert_eq!(agent.data().provider, "simulated", "the session's own provider comes before the default");
    let created = with_compute.sessions().create().user_id("bob").await.unwrap();
    assert_eq!(created.data().providers_digest, changed.data().providers_digest);
    let seen = plain.sessions().get(changed.id().as_str()).await.unwrap();
    assert!(!format!("{:?}", seen.data()).contains(CANARY));
    plane.shutdown().await;
    let database = std::fs::read(directory.path().join("theazo.db")).unwrap();
    let canary = CANARY.as_bytes();
    assert!(!database.windows(canary.len()).any(|window| window == canary), "the credentials are sealed");
}

#[tokio::test]
async fn a_session_is_not_made_without_the_providers_that_it_should_have() {
    let Worlds { ours, plane: _plane, .. } = Worlds::start().await;

    let digest = "0".repeat(64);
    let created = ours.sessions().create().user_id("ada").providers_digest(&digest).await.unwrap_err();
    let found = ours.sessions().for_user("ada").providers_digest(&digest).await.unwrap_err();

    for error in [created, found] {
        assert_eq!((error.code().as_str(), error.status()), ("providers_required", 409), "{error}");
    }
    assert_eq!(ours.sessions().list().await.unwrap().data.len(), 0);
}
