//! Customizations: instructions, prompts, skills and hooks, kept under a name and attached to agent definitions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    agents::check_name,
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Repeat, Reply, endpoints},
    id::{CustomizationId, ToolId},
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Creates a customization.
    ///
    /// An `instruction` needs `body`, a `prompt` needs `template`, a `skill` needs `description` and `instructions`, a
    /// `hook` needs `event` and `action`. It has no effect before it is attached to an agent definition.
    CreateCustomization: Post "/v1/customizations" => "customizations.create",
        body: CustomizationCreateOpts, response: Customization,
        with { positional: &["kind", "name"], status: 201, planned: true };

    /// Lists customizations, the newest first.
    ListCustomizations: Get "/v1/customizations" => "customizations.list",
        query: CustomizationListOpts, response: Page<Customization>,
        with { planned: true };

    /// Fetches a customization.
    GetCustomization: Get "/v1/customizations/{customizationId}" => "customizations.get",
        path: CustomizationPath, response: Customization,
        with { planned: true };

    /// Changes what is given of a customization and keeps the rest.
    ///
    /// It stays of its kind: what belongs to another kind is refused. Agents have it as it was when they were made.
    UpdateCustomization: Put "/v1/customizations/{customizationId}" => "customizations.update",
        path: CustomizationPath, body: CustomizationUpdate, response: Customization,
        with { planned: true };

    /// Removes a customization and detaches it everywhere. Agents that have it keep it.
    DeleteCustomization: Delete "/v1/customizations/{customizationId}" => "customizations.delete",
        path: CustomizationPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Puts values in the place of the variables of a prompt and returns its text.
    ///
    /// A variable that is required and has neither a value nor a default is refused with `invalid_request`. Of an
    /// instruction or a skill the text is returned as it is; a hook has none and is refused.
    RenderCustomization: Post "/v1/customizations/{customizationId}/render" => "customizations.render",
        path: CustomizationPath, body: CustomizationRenderOpts, response: RenderedCustomization,
        with { positional: &["variables"], repeat: Repeat::Idempotent, planned: true };
}

/// The path of a customization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationPath {
    /// The customization.
    pub customization_id: CustomizationId,
}

open_enum! {
    /// The kind of a customization.
    CustomizationKind {
        /// Text that goes into the system prompt.
        Instruction = "instruction",
        /// A text with variables.
        Prompt = "prompt",
        /// Something that an agent can do and reads about when it needs it.
        Skill = "skill",
        /// Something that is done when something happens in a run.
        Hook = "hook",
    }
}

/// What a new customization is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationCreateOpts {
    /// The kind. It says which of the other fields there are.
    pub kind: CustomizationKind,
    /// The name.
    pub name: String,
    /// What it is for; for a skill, when to use it, which the agent reads. Empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of an instruction: the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Of an instruction: those with a higher priority come first; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Of a prompt: the text, in which `{{ name }}` is the value of a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Of a prompt: its variables; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<PromptVariable>>,
    /// Of a skill: how it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Of a skill: the tools that it needs; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_ids: Option<Vec<ToolId>>,
    /// Of a hook: what must happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<HookEvent>,
    /// Of a hook: what is done then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<HookAction>,
}

impl Check for CustomizationCreateOpts {
    fn check(&self, problems: &mut Problems) {
        use CustomizationKind::{Hook, Instruction, Other, Prompt, Skill};

        check_name(&self.name, "name", problems);
        let contents = Contents {
            description: self.description.as_deref(),
            body: self.body.as_deref(),
            template: self.template.as_deref(),
            variables: self.variables.as_deref(),
            instructions: self.instructions.as_deref(),
            event: self.event.as_ref(),
            action: self.action.as_ref(),
        };
        contents.check(problems);
        if let Other(_) = self.kind {
            problems.add("kind", "must be `instruction`, `prompt`, `skill` or `hook`");
            return;
        }
        // Each field with the kind that has it, and whether that kind needs it.
        let fields = [
            ("body", self.body.is_some(), Instruction, true),
            ("priority", self.priority.is_some(), Instruction, false),
            ("template", self.template.is_some(), Prompt, true),
            ("variables", self.variables.is_some(), Prompt, false),
            ("instructions", self.instructions.is_some(), Skill, true),
            ("toolIds", self.tool_ids.is_some(), Skill, false),
            ("event", self.event.is_some(), Hook, true),
            ("action", self.action.is_some(), Hook, true),
        ];
        for (field, is_given, kind, is_needed) in fields {
            if kind == self.kind {
                problems.require(is_given || !is_needed, field, "is missing: this kind of customization needs it");
            } else {
                problems.require(!is_given, field, "does not belong to this kind of customization");
            }
        }
        if self.kind == Skill {
            let is_given = self.description.is_some();
            problems.require(is_given, "description", "is missing: this kind of customization needs it");
        }
    }
}

/// What a customization says, of whatever kind it is.
struct Contents<'a> {
    description: Option<&'a str>,
    body: Option<&'a str>,
    template: Option<&'a str>,
    variables: Option<&'a [PromptVariable]>,
    instructions: Option<&'a str>,
    event: Option<&'a HookEvent>,
    action: Option<&'a HookAction>,
}

impl Check for Contents<'_> {
    fn check(&self, problems: &mut Problems) {
        if let Some(description) = self.description {
            problems.require(description.len() <= 4096, "description", "is larger than 4 KiB");
        }
        for (field, text) in [("body", self.body), ("template", self.template), ("instructions", self.instructions)] {
            if let Some(text) = text {
                problems.require(!text.trim().is_empty(), field, "must not be empty");
                problems.require(text.len() <= 256 << 10, field, "is larger than 256 KiB");
            }
        }
        let mut names = BTreeSet::new();
        for (index, variable) in self.variables.into_iter().flatten().enumerate() {
            let place = format!("variables[{index}]");
            problems.within(&place, variable);
            problems.require(names.insert(&variable.name), &place, "has the name of another variable");
        }
        if let Some(HookEvent::Other(_)) = self.event {
            problems.add("event", "must be one of the events that hooks know, for example `pre_tool_use`");
        }
        match self.action {
            Some(HookAction::Block { reason } | HookAction::Ask { reason }) => {
                problems.require(!reason.trim().is_empty(), "action.reason", "must say why");
            }
            Some(HookAction::InjectContext { message }) => {
                problems.require(!message.trim().is_empty(), "action.message", "must say something");
            }
            Some(HookAction::Other(_)) => problems.add("action.type", "must be `block`, `ask` or `inject_context`"),
            None => {}
        }
    }
}

/// A variable of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct PromptVariable {
    /// The name, as it stands in the template.
    pub name: String,
    /// What it is, for people; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must have a value; false by default: then it is empty where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Its value where none is given; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
}

compatible!(PromptVariable, accepts { "default" as "defaultValue" }, serves { "defaultValue" as "default" });

impl Check for PromptVariable {
    fn check(&self, problems: &mut Problems) {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
        let is_name = self.name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && self.name.len() <= 128
            && self.name.chars().all(is_word);
        problems.require(is_name, "name", "must be 1 to 128 letters, digits, underscores and dots");
    }
}

open_enum! {
    /// What must happen in a run for a hook to do something.
    HookEvent {
        /// A session begins.
        SessionStart = "session_start",
        /// A task is given to an agent.
        UserPrompt = "user_prompt",
        /// A tool is about to be used.
        PreToolUse = "pre_tool_use",
        /// A tool was used.
        PostToolUse = "post_tool_use",
        /// What the model remembers is about to be made shorter.
        PreCompact = "pre_compact",
        /// An agent is started by another one.
        SubagentStart = "subagent_start",
        /// An agent that was started by another one is done.
        SubagentStop = "subagent_stop",
        /// An agent is done with its task.
        Stop = "stop",
    }
}

tagged_union! {
    /// What a hook does.
    HookAction by "type" {
        /// Stops what is about to happen.
        Block = "block" {
            /// Why; the agent is told.
            reason: String,
        },
        /// Waits for an approval of what is about to happen.
        Ask = "ask" {
            /// Why; whoever decides is told.
            reason: String,
        },
        /// Tells the agent something, and goes on.
        InjectContext = "inject_context" {
            /// What to tell it.
            message: String,
        },
    }
}

tagged_union! {
    /// A customization.
    Customization by "kind", common {
        /// The id.
        id: CustomizationId,
        /// The name.
        name: String,
        /// What it is for; for a skill, when to use it, which the agent reads.
        #[serde(default)]
        description: String,
        /// When it was created.
        created_at: Timestamp,
        /// When it was last changed.
        updated_at: Timestamp,
    } {
        /// Text that goes into the system prompt.
        Instruction = "instruction" {
            /// The text.
            body: String,
            /// Those with a higher priority come first.
            #[serde(default)]
            priority: i64,
        },
        /// A text with variables.
        Prompt = "prompt" {
            /// The text, in which `{{ name }}` is the value of a variable.
            template: String,
            /// Its variables.
            #[serde(default)]
            variables: Vec<PromptVariable>,
        },
        /// Something that an agent can do and reads about when it needs it.
        Skill = "skill" {
            /// How it is done.
            #[serde(default)]
            instructions: String,
            /// The tools that it needs.
            #[serde(default)]
            tool_ids: Vec<ToolId>,
        },
        /// Something that is done when something happens in a run.
        Hook = "hook" {
            /// What must happen.
            event: HookEvent,
            /// What is done then.
            action: HookAction,
        },
    }
}

/// Which customizations to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationListOpts {
    /// Only customizations of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CustomizationKind>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for CustomizationListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What changes in a customization.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationUpdate {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for; for a skill, when to use it, which the agent reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of an instruction: the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Of an instruction: those with a higher priority come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Of a prompt: the text, in which `{{ name }}` is the value of a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Of a prompt: its variables, in the place of those that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<PromptVariable>>,
    /// Of a skill: how it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Of a skill: the tools that it needs, in the place of those that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_ids: Option<Vec<ToolId>>,
    /// Of a hook: what must happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<HookEvent>,
    /// Of a hook: what is done then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<HookAction>,
}

impl Check for CustomizationUpdate {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(name, "name", problems);
        }
        let contents = Contents {
            description: self.description.as_deref(),
            body: self.body.as_deref(),
            template: self.template.as_deref(),
            variables: self.variables.as_deref(),
            instructions: self.instructions.as_deref(),
            event: self.event.as_ref(),
            action: self.action.as_ref(),
        };
        contents.check(problems);
    }
}

/// What to put in the place of a prompt's variables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomizationRenderOpts {
    /// The values by the names of the variables: text as it is, anything else as JSON; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Check for CustomizationRenderOpts {}

/// The text of a customization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenderedCustomization {
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(json: Value) -> Vec<String> {
        let opts: CustomizationCreateOpts = serde_json::from_value(json).unwrap();
        Problems::of(&opts).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn each_kind_has_its_own_fields() {
        let hook = json!({
            "kind": "hook", "name": "no rm", "event": "pre_tool_use",
            "action": { "type": "block", "reason": "it removes files" },
        });

        assert_eq!(problems(hook), [""; 0]);
        assert_eq!(problems(json!({ "kind": "instruction", "name": "tone" })), ["body"]);
        assert_eq!(problems(json!({ "kind": "prompt", "name": "p", "template": "x", "body": "y" })), ["body"]);
        assert_eq!(problems(json!({ "kind": "skill", "name": "pdf" })), ["instructions", "description"]);
        assert_eq!(problems(json!({ "kind": "hok", "name": "x" })), ["kind"]);
    }

    #[test]
    fn a_hook_that_would_do_nothing_is_a_problem() {
        let hook = |event: &str, action: Value| {
            problems(json!({ "kind": "hook", "name": "x", "event": event, "action": action }))
        };

        assert_eq!(hook("pre_tool", json!({ "type": "ask", "reason": "money" })), ["event"]);
        assert_eq!(hook("stop", json!({ "type": "blok", "reason": "x" })), ["action.type"]);
    }

    #[test]
    fn the_default_of_a_variable_has_its_published_name_too() {
        let theirs = json!({ "name": "city", "default": "Oslo" });

        let variable: PromptVariable = serde_json::from_value(theirs).unwrap();

        assert_eq!(variable.default_value.as_deref(), Some("Oslo"));
        let served = for_published_clients(|| serde_json::to_value(&variable).unwrap());
        assert_eq!(served, json!({ "name": "city", "defaultValue": "Oslo", "default": "Oslo" }));
    }
}
