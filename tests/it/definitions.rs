//! Agent definitions: versions that do not change, and agents that are made from them.

use std::future::IntoFuture as _;

use theazo::{
    Theazo,
    testing::TestPlane,
    types::{AgentDefinitionConfig, AgentOverrides, Cost, ModelChoice, testing::ScriptedTurn},
};
use theazo_tests::{Worlds, minutes};

#[tokio::test]
async fn each_change_is_a_version_and_every_version_stays() {
    let plane = TestPlane::start().await.expect("it starts");
    let agents = plane.client().agents();

    let first = agents.define("writer").system_prompt("Be brief.").timeout(minutes(15)).await.expect("it is defined");
    let id = first.id.clone();
    let second =
        agents.update_definition(&id).system_prompt("Be kind.").changelog("kinder").await.expect("it is changed");
    let same = agents.update_definition(&id).system_prompt("Be kind.").await.expect("it is the same");
    let third = agents.rollback(&id, 1).await.expect("it goes back");
    let copy = agents.duplicate_definition(&id).await.expect("it is copied");

    assert_eq!((first.version, second.version, same.version, third.version, copy.version), (1, 2, 2, 3, 1));
    assert_eq!((first.timeout.as_str(), first.timeout_ms), ("15m", Some(900_000)));
    assert_eq!((second.system_prompt.as_str(), second.timeout.as_str()), ("Be kind.", "15m"));
    assert_eq!((third.system_prompt.as_str(), third.created_at), ("Be brief.", first.created_at));
    assert_eq!((copy.name.as_str(), copy.system_prompt.as_str()), ("writer-copy", "Be brief."));
    assert_ne!(copy.id, id);
    let versions = agents.versions(&id).await.expect("they are listed").data;
    let told: Vec<(i64, &str)> = versions.iter().map(|version| (version.version, version.changelog.as_str())).collect();
    assert_eq!(told, [(3, "back to version 1"), (2, "kinder"), (1, "")]);
    let page = agents.versions(&id).limit(2).await.expect("they are listed");
    let rest = agents.versions(&id).limit(2).cursor(&page.cursor).await.expect("they are listed");
    assert_eq!((page.data.len(), page.has_more, rest.data.len(), rest.has_more), (2, true, 1, false));
    assert_eq!(agents.get_definition(&id).version(2).await.expect("it is kept").system_prompt, "Be kind.");
    let names: Vec<String> =
        agents.definitions().await.expect("they are listed").data.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["writer-copy", "writer"]);

    let absent = agents.get_definition(&id).version(9).await.expect_err("there is no such version");
    assert_eq!((absent.status(), absent.code().as_str()), (422, "invalid_request"));
    agents.delete_definition(&id).await.expect("it is removed");
    let gone = agents.get_definition(&id).version(1).await.expect_err("it is gone");
    assert_eq!(gone.code().as_str(), "not_found");
}

/// The answer to the first change was lost, and another changed the definition before it was repeated.
#[tokio::test]
async fn a_change_that_is_repeated_with_its_key_undoes_nothing_that_came_between() {
    let plane = TestPlane::start().await.expect("it starts");
    let agents = plane.client().agents();
    let id = agents.define("writer").system_prompt("Be brief.").await.expect("it is defined").id;
    let change = || agents.update_definition(&id).system_prompt("Be kind.").idempotency_key("kinder").into_future();

    let first = change().await.expect("it is changed");
    agents.update_definition(&id).system_prompt("Be exact.").await.expect("another changes it");
    let again = change().await.expect("it was changed");

    assert_eq!((first.version, again.version, again.system_prompt.as_str()), (2, 2, "Be kind."));
    let newest = agents.get_definition(&id).await.expect("it is kept");
    assert_eq!((newest.version, newest.system_prompt.as_str()), (3, "Be exact."));
}

#[tokio::test]
async fn a_run_names_a_definition_by_name_or_id_and_what_it_says_applies() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let capped = |cents| AgentDefinitionConfig { cost_cap: Some(Cost::cents(cents)), ..Default::default() };
    let dear = theazo.agents().define("dear").config(capped(2)).await.expect("it is defined");
    let cheap = theazo.agents().define("cheap").config(capped(9)).await.expect("it is defined");
    // Ten thousand tokens that go in cost 3.3 cents.
    let turn = || ScriptedTurn {
        text: Some("done".to_owned()),
        input_tokens: Some(10_000),
        output_tokens: Some(0),
        ..Default::default()
    };
    plane.script("dear", vec![turn()]).await.expect("it is scripted");
    plane.script("cheap", vec![turn(), turn()]).await.expect("it is scripted");

    let refused = session.run(dear.id.as_str(), "write").await.expect_err("it is capped");
    let by_id = session.run(cheap.id.as_str(), "write").await.expect("it fits");
    let by_name = session.run("cheap", "write").await.expect("it fits");
    let unknown = session.run("adef_nobody", "write").await.expect_err("there is none");

    assert_eq!(
        (refused.code().as_str(), &refused.details()["limit"]),
        ("session_limit_exceeded", &"run.maxCost".into())
    );
    assert_eq!((by_id.output.as_str(), by_name.output.as_str()), ("done", "done"));
    assert_eq!(unknown.code().as_str(), "not_found");
}

#[tokio::test]
async fn an_agent_keeps_the_version_that_it_was_made_from() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let defined = theazo.agents().define("writer").compute("node").browser(false).await.expect("it is defined");
    let make = || session.agents().create().definition(&defined.id);

    let first = make().compute("shell").await.expect("it is made");
    theazo.agents().update_definition(&defined.id).name("author").await.expect("it is changed");
    let overrides = AgentOverrides { name: Some("poet".to_owned()), ..Default::default() };
    let second = make().name("novelist").overrides(overrides).await.expect("it is made");
    let first_now = theazo.agents().get(first.id()).await.expect("it is kept");
    let model = AgentOverrides { model: Some(ModelChoice::from("nobody/nothing")), ..Default::default() };
    let refused = make().overrides(model).await.expect_err("nobody has this model");

    let told = |agent: &theazo::Agent| {
        let data = agent.data();
        (data.name.clone(), data.compute.to_string(), data.definition_version)
    };
    assert_eq!(told(&first_now), ("writer".to_owned(), "shell".to_owned(), Some(1)));
    assert_eq!(told(&second), ("poet".to_owned(), "node".to_owned(), Some(2)));
    assert_eq!(second.data().definition_id.as_ref(), Some(&defined.id));
    assert_eq!(refused.code().as_str(), "invalid_request");
}

#[tokio::test]
async fn a_plane_can_be_set_to_run_defined_agents_alone() {
    let config = theazo_server::PlaneConfig { require_definitions: true, ..theazo_server::PlaneConfig::test() };
    let plane = theazo_server::ControlPlane::start(config).await.expect("it starts");
    let config = theazo::Config::with_api_key(plane.live_key().expect("the plane is new"));
    let transport = theazo::transport::Transport::to_plane(&plane, config).expect("the key is good");
    let theazo = Theazo::over(transport);
    let session = theazo.sessions().for_user("ada").await.expect("it is made");

    let refused = session.run("writer", "write").await.expect_err("it is not defined");
    theazo.agents().define("writer").await.expect("it is defined");
    session.run("writer", "write").await.expect("it is defined now");

    assert_eq!((refused.status(), refused.code().as_str()), (404, "not_found"));
    assert!(refused.message().contains("no agent is defined under the name `writer`"), "{refused}");
}

#[tokio::test]
async fn a_definition_of_another_account_does_not_exist() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let defined = ours.agents().define("writer").await.expect("it is defined");
    let session = theirs.sessions().for_user("bob").await.expect("it is made");

    let by_id = session.run(defined.id.as_str(), "write").await.expect_err("it is another account's");
    let made = session.agents().create().definition(&defined.id).await.expect_err("it is another account's");

    assert_eq!((by_id.code().as_str(), made.code().as_str()), ("not_found", "not_found"));
    assert!(theirs.agents().definitions().await.expect("they are listed").data.is_empty());
}
