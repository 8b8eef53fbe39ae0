//! The check, checked: a right and four wrong configurations for each simulated vendor.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use tower_reauth::{
    BoxError,
    test_util::{SimDressipi, SimImmersve, SimMarketiger, SimOauth, SimVmwareCsp, Simulator},
};

use crate::{cases, check};

/// A mistake, the configuration with it, and what has to be said about it: a verdict, and what it names.
struct Case {
    mistake: &'static str,
    toml: String,
    verdict: &'static str,
    names: &'static str,
}

/// A vendor, and its cases.
pub(crate) struct Vendor<'a> {
    name: &'static str,
    simulator: &'a Simulator,
    cases: Vec<Case>,
    /// No output may show one of these.
    secrets: Vec<String>,
}

/// A folder that goes with the program.
pub(crate) struct Scratch(PathBuf);

pub(crate) async fn check_all() -> Result<ExitCode, BoxError> {
    let immersve = SimImmersve::start().await?;
    let dressipi = SimDressipi::start().await?;
    let marketiger = SimMarketiger::start().await?;
    let csp = SimVmwareCsp::start().await?;
    let oauth = SimOauth::builder()
        .client("orders", "c4n4ry secret")
        .start()
        .await?;
    let scratch = Scratch::new()?;
    let vendors = [
        cases::immersve(&immersve),
        cases::dressipi(&dressipi),
        cases::marketiger(&marketiger),
        cases::csp(&csp, &scratch)?,
        cases::oauth(&oauth)?,
    ];
    let (mut checked, mut wrong) = (0, 0);
    for vendor in &vendors {
        // A refresh token is good for one use: the second check goes on from the session's file.
        let session = scratch.0.join(vendor.name);
        let again = vendor.cases.iter().filter(|case| case.is_right());
        for case in vendor.cases.iter().chain(again) {
            let session = case.is_right().then_some(&*session);
            checked += 1;
            wrong += usize::from(!vendor.is_told(case, session).await);
        }
    }
    println!("{checked} checks, {wrong} wrong answers");
    Ok(match wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

// === impl Case ===

impl Case {
    fn is_right(&self) -> bool {
        self.verdict == "right"
    }
}

// === impl Vendor ===

impl<'a> Vendor<'a> {
    pub(crate) fn new(name: &'static str, simulator: &'a Simulator) -> Self {
        Self {
            name,
            simulator,
            cases: Vec::new(),
            secrets: vec!["c4n4ry".to_owned()],
        }
    }

    pub(crate) fn right(&mut self, toml: String) {
        self.wrong("a right configuration", toml, "right", "gave a token");
    }

    pub(crate) fn wrong(
        &mut self,
        mistake: &'static str,
        toml: String,
        verdict: &'static str,
        names: &'static str,
    ) {
        self.cases.push(Case {
            mistake,
            toml,
            verdict,
            names,
        });
    }

    /// The tokens of a new login.
    pub(crate) fn log_in(&mut self) -> (String, String) {
        let seed = self.simulator.seed();
        let tokens = (seed.access_token, seed.refresh_token);
        self.secrets.extend([tokens.0.clone(), tokens.1.clone()]);
        tokens
    }

    pub(crate) fn refresh_token(&mut self) -> String {
        let (_, refresh) = self.log_in();
        format!("initial.refresh_token.value = {refresh:?}")
    }

    pub(crate) fn pair(&mut self) -> String {
        let (access, refresh) = self.log_in();
        format!(
            "initial.access_token.value = {access:?}\ninitial.refresh_token.value = {refresh:?}"
        )
    }

    /// Whether the check tells what it should, and no secret.
    async fn is_told(&self, case: &Case, session: Option<&Path>) -> bool {
        let shown = check(&case.toml, session).await.to_string();
        println!("{}, {}\n  {shown}", self.name, case.mistake);
        let told = shown.starts_with(case.verdict) && shown.contains(case.names);
        let leaks = self.secrets.iter().any(|secret| shown.contains(secret));
        if !told || leaks {
            println!(
                "  WRONG: not {:?} with {:?}, or a secret",
                case.verdict, case.names
            );
        }
        told && !leaks
    }
}

// === impl Scratch ===

impl Scratch {
    fn new() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("check-vendor-{}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
