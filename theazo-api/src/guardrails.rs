//! Guardrails: what may go into models and come out of them, and what was stopped.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Method, endpoints},
    id::{AgentId, RunId, SessionId, ViolationId},
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    time::Timestamp,
    usage::UsagePeriod,
};

endpoints! {
    /// Sets the guardrails of the account, in the place of those that it had.
    ///
    /// They hold for every agent that has none of its own. What is left out goes back to its default.
    ConfigureGuardrails: Put "/v1/guardrails" => "guardrails.configure",
        body: GuardrailConfig, response: GuardrailConfig,
        with {
            positional: &["config"], strict: &[""], older: &[(Method::Post, "/v1/guardrails")],
        };

    /// Fetches the guardrails of the account.
    GetGuardrails: Get "/v1/guardrails" => "guardrails.get",
        response: GuardrailConfig;

    /// Lists what guardrails stopped or reported, the newest first.
    ListGuardrailViolations: Get "/v1/guardrails/violations" => "guardrails.violations",
        query: GuardrailViolationFilters, response: Page<GuardrailViolation>;
}

open_enum! {
    /// How much content is filtered.
    ContentFilter {
        /// Nothing is filtered; for tests of your own.
        Off = "off",
        /// What is clearly harmful.
        Light = "light",
        /// What is harmful, and sensitive subjects.
        Moderate = "moderate",
        /// Whatever may be sensitive.
        Strict = "strict",
    }
}

/// What may go into models and come out of them.
///
/// In the options of an agent, what is left out is as the account has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailConfig {
    /// How much content is filtered, of inputs as of outputs; `off` by default. A plane that does not filter refuses the
    /// others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_filter: Option<ContentFilter>,
    /// Whether personal data, keys and tokens in what the model writes are replaced by `[REDACTED]`; false by default. What
    /// was there is neither kept nor returned. What tools are given and return stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_pii: Option<bool>,
    /// Whether inputs that try to talk a model out of its instructions are stopped; false by default. A plane that does not
    /// analyse inputs refuses `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_injection: Option<bool>,
    /// The domains that tools may call, and programs of what is granted to them (`network` of the agent); all by default.
    /// `*.example.com` is all domains under `example.com`, `*` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// The domains that tools and programs must not call, also where `allowedDomains` has them; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_domains: Option<Vec<String>>,
    /// How many tokens one answer of a model may have; no limit but the model's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<i64>,
    /// How many calls of tools one run may make; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<i64>,
}

compatible!(GuardrailConfig, accepts { "blockPII" as "blockPii" }, serves { "blockPii" as "blockPII" });

impl GuardrailConfig {
    /// These guardrails, and where they say nothing, those beneath them.
    ///
    /// ```
    /// use theazo_api::GuardrailConfig;
    ///
    /// let account = GuardrailConfig { block_pii: Some(true), max_tool_calls: Some(20), ..GuardrailConfig::default() };
    /// let own = GuardrailConfig { max_tool_calls: Some(50), ..GuardrailConfig::default() };
    ///
    /// let both = own.over(account);
    /// assert_eq!((both.block_pii, both.max_tool_calls), (Some(true), Some(50)));
    /// ```
    #[must_use]
    pub fn over(self, beneath: Self) -> Self {
        Self {
            content_filter: self.content_filter.or(beneath.content_filter),
            block_pii: self.block_pii.or(beneath.block_pii),
            prompt_injection: self.prompt_injection.or(beneath.prompt_injection),
            allowed_domains: self.allowed_domains.or(beneath.allowed_domains),
            blocked_domains: self.blocked_domains.or(beneath.blocked_domains),
            max_output_tokens: self.max_output_tokens.or(beneath.max_output_tokens),
            max_tool_calls: self.max_tool_calls.or(beneath.max_tool_calls),
        }
    }
}

impl Check for GuardrailConfig {
    fn check(&self, problems: &mut Problems) {
        let is_known = !matches!(self.content_filter, Some(ContentFilter::Other(_)));
        problems.require(is_known, "contentFilter", "must be `off`, `light`, `moderate` or `strict`");
        for (field, domains) in [("allowedDomains", &self.allowed_domains), ("blockedDomains", &self.blocked_domains)] {
            for domain in domains.iter().flatten() {
                problems.require(is_domain(domain), field, "must be domains such as `example.com` or `*.example.com`");
            }
        }
        if let Some(tokens) = self.max_output_tokens {
            problems.require(tokens >= 1, "maxOutputTokens", "must be a whole number from 1");
        }
        if let Some(calls) = self.max_tool_calls {
            problems.require(calls >= 0, "maxToolCalls", "must be a whole number that is not negative");
        }
    }
}

/// Whether the text is a domain, with or without a `*` as its first label, or `*` alone.
fn is_domain(text: &str) -> bool {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-' || letter == '_')
    };
    text == "*" || (text.len() <= 253 && rest.split('.').all(is_label))
}

open_enum! {
    /// What a guardrail found.
    GuardrailViolationType {
        /// Personal data in an output.
        PiiDetected = "pii_detected",
        /// Content that the filter does not let through.
        ContentBlocked = "content_blocked",
        /// An input that tries to talk a model out of its instructions.
        InjectionDetected = "injection_detected",
        /// A call of a domain that is not allowed.
        DomainBlocked = "domain_blocked",
        /// More calls of tools than a run may make.
        ToolLimit = "tool_limit",
    }
}

open_enum! {
    /// How bad a violation is.
    GuardrailSeverity {
        /// Worth knowing.
        Low = "low",
        /// Worth a look.
        Medium = "medium",
        /// Worth a look soon.
        High = "high",
        /// Worth a look at once.
        Critical = "critical",
    }
}

open_enum! {
    /// What was done about a violation.
    GuardrailAction {
        /// What was found was replaced by `[REDACTED]`.
        Redacted = "redacted",
        /// The content was stopped.
        Blocked = "blocked",
        /// The content went through, with a warning.
        Warned = "warned",
        /// The content went through.
        Logged = "logged",
    }
}

/// Which violations to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GuardrailViolationFilters {
    /// Only violations of this period; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<UsagePeriod>,
    /// Only violations of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<GuardrailViolationType>,
    /// Only violations that are so bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<GuardrailSeverity>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for GuardrailViolationFilters {
    fn check(&self, problems: &mut Problems) {
        if let Some(UsagePeriod::Other(_)) = &self.period {
            problems.add("period", "must be `today`, `week` or `month`");
        }
        check_page_limit(self.limit, problems);
    }
}

/// Something that a guardrail stopped or reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GuardrailViolation {
    /// The id.
    pub id: ViolationId,
    /// The agent.
    pub agent_id: AgentId,
    /// Its session; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The run; absent if it was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What was found.
    pub r#type: GuardrailViolationType,
    /// How bad it is; absent where that was not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<GuardrailSeverity>,
    /// What was done about it; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<GuardrailAction>,
    /// What happened, for people; what was found is not in it.
    pub message: String,
    /// When it happened.
    pub timestamp: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn whether_personal_data_is_blocked_has_its_published_name_too() {
        let config = GuardrailConfig { block_pii: Some(true), ..GuardrailConfig::default() };

        let sent: GuardrailConfig =
            serde_json::from_value(json!({ "blockPII": true, "allowedDomains": null })).unwrap();

        assert_eq!(sent, config);
        assert_eq!(serde_json::to_value(&config).unwrap(), json!({ "blockPii": true }));
        let served = for_published_clients(|| serde_json::to_value(&config).unwrap());
        assert_eq!(served, json!({ "blockPii": true, "blockPII": true }));
    }

    #[test]
    fn domains_may_begin_with_a_star_and_have_nothing_else_around_them() {
        for domain in ["example.com", "*.darkweb.com", "*", "localhost", "müller.de"] {
            assert!(is_domain(domain), "{domain}");
        }
        for text in ["", "https://example.com", "example.com/path", "a..b", "*.*.com", "exa mple.com", "*."] {
            assert!(!is_domain(text), "{text}");
        }
    }
}
