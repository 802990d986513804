//! Which provider an agent's sandbox is of.

use theazo_api::{AgentCreateOpts, ErrorCode, SessionId, size::parse_size};

use super::{Context, ProviderInfo, session_providers::own_compute};
use crate::{
    error::{AppError, AppResult},
    store::World,
};

impl Context {
    /// The provider to use: the one asked for, or the one to fall back to; where none is asked for, the first of the
    /// customer's own that can be used, or the default. The simulated one in the test world.
    pub(super) fn pick_provider(&self, session_id: &SessionId, opts: &AgentCreateOpts) -> AppResult<&ProviderInfo> {
        let fallback = opts.provider_fallback.as_deref();
        if self.tenant.world() == World::Test {
            return self.check_provider("simulated", opts);
        }
        if let Some(asked) = opts.provider.as_deref() {
            return self.first_of([asked].into_iter().chain(fallback), opts);
        }
        let own = self.app.store.read(|view| own_compute(view, &self.tenant, session_id))?;
        let usual = own.is_empty().then_some(self.app.default_provider.as_str());
        self.first_of(own.iter().map(String::as_str).chain(usual).chain(fallback), opts)
    }

    /// The first provider that can be used. Where none can, the first says why.
    fn first_of<'a>(&self, names: impl Iterator<Item = &'a str>, opts: &AgentCreateOpts) -> AppResult<&ProviderInfo> {
        let mut refusal = None;
        for name in names {
            match self.check_provider(name, opts) {
                Err(error) => refusal = refusal.or(Some(error)),
                provider => return provider,
            }
        }
        Err(refusal.unwrap_or_else(|| unavailable("there is no provider".to_owned())))
    }

    fn check_provider(&self, name: &str, opts: &AgentCreateOpts) -> AppResult<&ProviderInfo> {
        let Some(provider) = self.app.providers.iter().find(|provider| provider.name == name) else {
            let known: Vec<&str> = self.app.providers.iter().map(|provider| provider.name).collect();
            return Err(unavailable(format!("there is no provider `{name}` here; there is {}", known.join(", "))));
        };
        if let Err(reason) = &provider.availability {
            return Err(unavailable(format!("the provider `{name}` cannot be used: {reason}")));
        }
        if opts.browser == Some(true) && !provider.capabilities.browser {
            return Err(unavailable(format!("no provider here has a browser; `{name}` has none")));
        }
        if let Some(gpu) = &opts.gpu {
            return Err(unavailable(format!("no provider here has the graphics processor `{gpu}`; `{name}` has none")));
        }
        if let (Some(wanted), Some(most)) = (opts.storage.as_deref(), provider.capabilities.storage_bytes) {
            let bytes = parse_size(wanted).unwrap_or(u64::MAX);
            if i64::try_from(bytes).unwrap_or(i64::MAX) > most {
                let message = format!(
                    "`{name}` gives a sandbox room for {most} bytes of files at most, and `storage` is {wanted}"
                );
                return Err(unavailable(message));
            }
        }
        Ok(provider)
    }
}

fn unavailable(message: String) -> AppError {
    AppError::new(ErrorCode::NoProvidersAvailable, message)
}
