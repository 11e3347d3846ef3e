//! The dialogues of `utils ctl …` and `utils itl reset localkey`, over the cluster's state: what is asked, what is printed,
//! what then happens. Whoever runs one carries out its [`Effect`] before the last words are printed.

use serde::{Deserialize, Serialize};

/// Cluster Security Mode, an enterprise parameter: 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    NonSecure,
    #[default]
    Mixed,
}

impl Mode {
    pub fn code(self) -> u8 {
        match self {
            Mode::NonSecure => 0,
            Mode::Mixed => 1,
        }
    }
}

/// What the dialogues look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub mode: Mode,
    /// On at least one node.
    pub auto_registration: bool,
    pub has_ctl: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    SetMixedMode,
    SetNonSecureMode,
    UpdateCtl,
    ResetItlLocalKey,
}

impl Command {
    /// From the words of a command line; keywords take any case.
    ///
    /// # Errors
    /// What can be typed.
    pub fn parse(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_ascii_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["utils", "ctl", "set-cluster", "mixed-mode"] => Ok(Command::SetMixedMode),
            ["utils", "ctl", "set-cluster", "non-secure-mode"] => Ok(Command::SetNonSecureMode),
            ["utils", "ctl", "update", "ctlfile"] => Ok(Command::UpdateCtl),
            ["utils", "itl", "reset", "localkey"] => Ok(Command::ResetItlLocalKey),
            _ => {
                Err("expected `utils ctl set-cluster mixed-mode`, `utils ctl set-cluster non-secure-mode`, `utils ctl \
                      update CTLFile` or `utils itl reset localkey`"
                    .into())
            }
        }
    }
}

/// What a confirmed command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write a CTL with every certificate, and set the mode to 1.
    EnterMixedMode,
    /// Write a CTL whose call managers are stubs, and set the mode to 0.
    LeaveMixedMode,
    /// Write the CTL again.
    WriteCtl,
    /// Sign the ITL with the recovery key, so that phones that trust no other take it.
    SignItlByRecovery,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Print this, read an answer, call [`Dialogue::answer`].
    Ask(String),
    /// Carry this out, then print the words; or say why it failed.
    Do(Effect, String),
    /// Print this: it is over, and nothing was changed.
    Stop(String),
}

/// A command that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialogue {
    command: Command,
    cluster: Cluster,
}

const RESTART: &str = "Please restart Cisco CallManager service and Cisco CTIManager services on all the nodes in the cluster \
                       that run these services.\n";
/// Ours: the words above stay, because scripts wait for them.
const LIVE: &str = "(Here it took effect at once: no service was restarted and no call was dropped. Phones take it when they \
                    next fetch their configuration; reset them to have it now.)\n";

impl Dialogue {
    pub fn new(command: Command, cluster: Cluster) -> Dialogue {
        Dialogue { command, cluster }
    }

    /// What is said first: every command says what it will interrupt before it runs.
    pub fn start(&self) -> Step {
        let Cluster { mode, auto_registration, has_ctl } = self.cluster;
        let question = match (self.command, mode) {
            (Command::SetMixedMode, Mode::Mixed) if has_ctl => {
                return Step::Stop(
                    "Cluster is already in Mixed Mode. To write the CTL file again use `utils ctl update CTLFile`.\n"
                        .into(),
                );
            }
            (Command::SetMixedMode, _) => {
                let warning =
                    if auto_registration { " Auto-registration is enabled on at least one CM node." } else { "" };
                format!("This operation will set the cluster to Mixed mode.{warning}")
            }
            (Command::SetNonSecureMode, Mode::NonSecure) => {
                return Step::Stop("Cluster is already in Non Secure Mode.\n".into());
            }
            (Command::SetNonSecureMode, Mode::Mixed) => {
                "This operation will set the cluster to Non Secure mode. Phones whose \
                 profile is Encrypted lose secure signalling and media when they next fetch their configuration."
                    .to_owned()
            }
            (Command::UpdateCtl, Mode::NonSecure) => {
                return Step::Stop("The cluster is in Non Secure Mode and has no CTL file to update: use `utils ctl set-cluster mixed-mode` first.\n".into());
            }
            (Command::UpdateCtl, Mode::Mixed) => "This operation will update the CTLFile.".to_owned(),
            (Command::ResetItlLocalKey, _) => {
                "This operation will sign the ITL file with the ITLRecovery key. Phones fetch it \
                 when they are next reset."
                    .to_owned()
            }
        };
        Step::Ask(format!("{question} Do you want to continue? (y/n): "))
    }

    /// What the administrator typed. Anything but yes changes nothing.
    pub fn answer(&self, answer: &str) -> Step {
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Step::Stop("\nOperation cancelled: nothing was changed.\n".into());
        }
        match self.command {
            Command::SetMixedMode => Step::Do(
                Effect::EnterMixedMode,
                format!("\nMoving Cluster to Mixed Mode\nCluster set to Mixed Mode\n{RESTART}{LIVE}"),
            ),
            Command::SetNonSecureMode => Step::Do(
                Effect::LeaveMixedMode,
                format!("\nMoving Cluster to Non Secure Mode\nCluster set to Non Secure Mode\n{RESTART}{LIVE}"),
            ),
            Command::UpdateCtl => {
                Step::Do(Effect::WriteCtl, format!("\nUpdating CTL file\nCTL file Updated\n{RESTART}{LIVE}"))
            }
            Command::ResetItlLocalKey => Step::Do(
                Effect::SignItlByRecovery,
                "\nITL file signed with the ITLRecovery key\nReset the phones to have them fetch it.\n".into(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: Cluster = Cluster { mode: Mode::NonSecure, auto_registration: true, has_ctl: false };

    #[test]
    fn mixed_mode_is_entered_letter_by_letter() {
        let command = Command::parse("utils ctl set-cluster Mixed-Mode").unwrap();
        let dialogue = Dialogue::new(command, CLUSTER);
        let asked = "This operation will set the cluster to Mixed mode. Auto-registration is enabled on at least one CM node. Do you want to continue? (y/n): ";
        assert_eq!(dialogue.start(), Step::Ask(asked.into()));
        let Step::Do(Effect::EnterMixedMode, words) = dialogue.answer("y\n") else { panic!("it is done") };
        let expected = "\nMoving Cluster to Mixed Mode\nCluster set to Mixed Mode\nPlease restart Cisco CallManager service and Cisco CTIManager services on all the nodes in the cluster that run these services.\n";
        assert!(words.starts_with(expected), "{words}");
        assert_eq!((Mode::Mixed.code(), Mode::default()), (1, Mode::Mixed));
    }

    #[test]
    fn nothing_happens_unless_it_is_confirmed() {
        for command in [Command::SetMixedMode, Command::SetNonSecureMode, Command::UpdateCtl, Command::ResetItlLocalKey]
        {
            for answer in ["n", "", "no", "maybe", "yy"] {
                assert!(matches!(Dialogue::new(command, CLUSTER).answer(answer), Step::Stop(_)));
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_and_not_asked() {
        let mixed = Cluster { mode: Mode::Mixed, auto_registration: false, has_ctl: true };
        assert!(matches!(Dialogue::new(Command::SetMixedMode, mixed).start(), Step::Stop(_)));
        assert!(matches!(Dialogue::new(Command::SetNonSecureMode, CLUSTER).start(), Step::Stop(_)));
        assert!(matches!(Dialogue::new(Command::UpdateCtl, CLUSTER).start(), Step::Stop(_)));
        let Step::Ask(words) = Dialogue::new(Command::SetMixedMode, Cluster { has_ctl: false, ..mixed }).start() else {
            panic!("a cluster without a CTL is none")
        };
        assert!(!words.contains("Auto-registration"));
        assert!(Command::parse("utils ctl set-cluster").unwrap_err().contains("mixed-mode"));
    }
}
