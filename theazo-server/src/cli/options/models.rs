//! Which models are asked. Their keys stand in the environment, under the names that their providers gave them.

use std::path::PathBuf;

use theazo_server::{ModelKeys, PlaneConfig};

use crate::cli::Failure;

/// Models of a control plane.
#[derive(clap::Args)]
pub struct ModelOptions {
    /// The model that is asked where no model is named; that of the first provider that there is a key of by default.
    #[arg(long, env = "THEAZO_MODEL", value_name = "ID")]
    model: Option<String>,
    /// A file with models and prices, which are added to the table of models or change what is in it.
    #[arg(long, env = "THEAZO_MODELS", value_name = "FILE")]
    models: Option<PathBuf>,
}

impl ModelOptions {
    /// The control plane with these models. A test plane asks none that is real.
    pub fn apply(&self, mut config: PlaneConfig) -> Result<PlaneConfig, Failure> {
        if let Some(file) = self.models.as_ref().filter(|file| !file.is_file()) {
            return Err(format!("`models` is `{}`, which is no file", file.display()).into());
        }
        if config.test.is_none() {
            config.model_keys = ModelKeys::from_environment();
        }
        config.default_model.clone_from(&self.model);
        config.model_table.clone_from(&self.models);
        Ok(config)
    }
}
