//! One administrator's session: lines in, text out, questions to the world beside it. Pure; SSH and the command line run the
//! same.

use std::collections::VecDeque;

use admin::api::Services;
use admin::cli::Question;
use net::Part;
use phones::{Cluster, Dialogue, Effect, Step};

use crate::command::Command;
use crate::service::{self, Restart};

/// What the world is asked; each is answered by one [`Told`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// [`Told::Text`]
    Show(Question),
    /// [`Told::Text`]
    RunningConfig,
    /// [`Told::Text`]
    Undebug,
    /// [`Told::Text`]; `Err` where no phones are served.
    SecurityMode,
    /// [`Told::Cluster`]
    Cluster,
    /// [`Told::Done`], with nothing in it.
    CarryOut(Effect),
    /// [`Told::Services`]
    Services,
    /// [`Told::Done`], a line for each step.
    Restart(Part),
}

/// An answer; `Err` says in words why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Text(Result<String, String>),
    Cluster(Result<Cluster, String>),
    Services(Result<Services, String>),
    Done(Result<Vec<String>, String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Line(String),
    Told(Told),
    /// Ctrl-C: a question is answered with no. What was asked of the world goes on.
    Interrupt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Text(String),
    /// Nothing is taken until it is answered.
    Ask(Ask),
    /// For the audit log: what is done in this session.
    WriteDown(String),
    /// What was typed came to nothing: for whoever runs one command and wants a status.
    Failed,
    /// The next line is a command.
    Prompt,
    /// The next line is an answer, to the question that was printed.
    Listen,
    End,
}

/// The session's state is what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A command.
    Ready,
    /// The cluster, to begin a dialogue.
    Beginning(phones::Command),
    /// `y` or `n`.
    Dialogue(Dialogue),
    /// That it was done; then these are the words.
    Doing(String),
    /// The services, for a list.
    Listing,
    /// The services, to say what a restart interrupts.
    Naming(String),
    /// `y` or `n`.
    Confirming {
        name: &'static str,
        part: Part,
    },
    /// That it was restarted.
    Restarting {
        name: &'static str,
        part: Part,
    },
    /// A text to print; `or_not`: none is no fault.
    Showing {
        or_not: bool,
    },
    Over,
}

/// One administrator's.
#[derive(Clone, Debug)]
pub struct Session {
    state: State,
    out: VecDeque<Output>,
}

/// What stands before a command, as the equipment has it that people know.
pub fn prompt(node: &str, role: &str) -> String {
    if role == "sbc" { format!("{node}#") } else { "admin:".to_owned() }
}

impl Default for Session {
    fn default() -> Session {
        Session { state: State::Ready, out: VecDeque::from([Output::Prompt]) }
    }
}

impl Session {
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn handle(&mut self, input: Input) {
        // A line or a key that comes while the world is asked is not for anybody; an answer nobody waits for neither.
        match (std::mem::replace(&mut self.state, State::Ready), input) {
            (State::Ready, Input::Line(line)) => self.command(&line),
            (State::Ready, Input::Interrupt) => self.ready(),
            (State::Dialogue(dialogue), Input::Line(answer)) => self.step(dialogue, dialogue.answer(&answer)),
            (State::Dialogue(dialogue), Input::Interrupt) => self.step(dialogue, dialogue.answer("n")),
            (State::Confirming { name, part }, Input::Line(answer)) => self.confirmed(name, part, &answer),
            (State::Confirming { .. }, Input::Interrupt) => self.say("\nOperation cancelled: nothing was changed.\n"),
            (State::Beginning(command), Input::Told(Told::Cluster(told))) => match told {
                Ok(cluster) => {
                    let dialogue = Dialogue::new(command, cluster);
                    self.step(dialogue, dialogue.start());
                }
                Err(words) => self.sorry(&words),
            },
            (State::Doing(words), Input::Told(Told::Done(told))) => match told {
                Ok(_) => self.say(&words),
                Err(why) => self.sorry(&why),
            },
            (State::Listing, Input::Told(Told::Services(told))) => match told {
                Ok(facts) => self.say(&service::list(&facts)),
                Err(words) => self.sorry(&words),
            },
            (State::Naming(name), Input::Told(Told::Services(told))) => match told {
                Ok(facts) => self.named(&name, &facts),
                Err(words) => self.sorry(&words),
            },
            (State::Restarting { name, part }, Input::Told(Told::Done(told))) => self.restarted(name, part, told),
            (State::Showing { or_not }, Input::Told(Told::Text(told))) => match told {
                Ok(text) => self.say(&text),
                Err(_) if or_not => self.ready(),
                Err(words) => self.sorry(&words),
            },
            (state, Input::Line(_) | Input::Interrupt | Input::Told(_)) => self.state = state,
        }
    }

    fn command(&mut self, line: &str) {
        let command = match Command::parse(line) {
            Ok(Some(command)) => command,
            Ok(None) => return self.ready(),
            // Never what was typed: it may be a password in the wrong place.
            Err(words) => {
                self.write_down("typed what is no command");
                return self.sorry(&words);
            }
        };
        match command {
            Command::Help => self.say(&Command::help("")),
            Command::Exit => {
                self.state = State::Over;
                self.out.push_back(Output::End);
            }
            Command::Show(question) => self.ask(State::Showing { or_not: false }, Ask::Show(question)),
            Command::RunningConfig => self.ask(State::Showing { or_not: false }, Ask::RunningConfig),
            Command::Undebug => self.ask(State::Showing { or_not: false }, Ask::Undebug),
            Command::SecurityMode => self.ask(State::Showing { or_not: false }, Ask::SecurityMode),
            Command::Services => self.ask(State::Listing, Ask::Services),
            Command::Cluster(command) => self.ask(State::Beginning(command), Ask::Cluster),
            Command::Restart(name) => self.ask(State::Naming(name), Ask::Services),
        }
    }

    fn step(&mut self, dialogue: Dialogue, step: Step) {
        match step {
            Step::Ask(question) => self.question(State::Dialogue(dialogue), question),
            Step::Stop(words) => self.say(&words),
            Step::Do(effect, words) => {
                self.write_down(match effect {
                    Effect::EnterMixedMode => "set the cluster to mixed mode",
                    Effect::LeaveMixedMode => "set the cluster to non secure mode",
                    Effect::WriteCtl => "wrote the CTL file again",
                    Effect::SignItlByRecovery => "signed the ITL file with the recovery key",
                });
                self.ask(State::Doing(words), Ask::CarryOut(effect));
            }
        }
    }

    fn named(&mut self, name: &str, facts: &Services) {
        let found = service::named(facts, name);
        let said = found.and_then(|service| Ok((service.clone(), service::interrupts(&service, facts)?)));
        match said {
            Ok((service, words)) => match service.restart {
                Restart::Part(part) => {
                    let question = format!("{words} Do you want to continue? (y/n): ");
                    self.question(State::Confirming { name: service.name, part }, question);
                }
                Restart::With(_) | Restart::Nothing => self.say(&words),
            },
            Err(words) => self.say(&words),
        }
    }

    fn confirmed(&mut self, name: &'static str, part: Part, answer: &str) {
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return self.say("\nOperation cancelled: nothing was changed.\n");
        }
        self.write_down(&format!("restarted {name}"));
        self.text(&format!("\nRestarting Service. It may take a while...\n{name}[STOPPING]\n"));
        self.ask(State::Restarting { name, part }, Ask::Restart(part));
    }

    fn restarted(&mut self, name: &'static str, part: Part, told: Result<Vec<String>, String>) {
        match told {
            Ok(steps) => {
                let mut steps = steps.into_iter();
                let mut step = || steps.next().unwrap_or_default();
                let (stopped, started) = (step(), step());
                self.text(&format!("{name}[STOPPED] {stopped}\n{name}[STARTING]\n{name}[STARTED] {started}\n"));
                match part {
                    Part::Node => self.ask(State::Showing { or_not: true }, Ask::SecurityMode),
                    Part::PhoneServices => self.ready(),
                }
            }
            Err(why) => self.sorry(&format!("{name} was not restarted: {why}")),
        }
    }

    fn ask(&mut self, state: State, ask: Ask) {
        self.state = state;
        self.out.push_back(Output::Ask(ask));
    }

    fn question(&mut self, state: State, words: String) {
        self.state = state;
        self.text(&words);
        self.out.push_back(Output::Listen);
    }

    fn text(&mut self, words: &str) {
        self.out.push_back(Output::Text(words.to_owned()));
    }

    fn say(&mut self, words: &str) {
        self.text(words);
        if !words.ends_with('\n') {
            self.text("\n");
        }
        self.ready();
    }

    fn sorry(&mut self, words: &str) {
        self.out.push_back(Output::Failed);
        self.say(words);
    }

    fn write_down(&mut self, what: &str) {
        self.out.push_back(Output::WriteDown(what.to_owned()));
    }

    fn ready(&mut self) {
        self.state = State::Ready;
        self.out.push_back(Output::Prompt);
    }
}

#[cfg(test)]
mod tests {
    use admin::api::PhonesServed;
    use phones::Mode;

    use super::*;

    /// A terminal of the call manager `cucm1`: what it shows, letter by letter.
    struct Terminal {
        session: Session,
        cluster: Cluster,
        shown: String,
        done: Vec<Effect>,
        restarted: Vec<Part>,
        written: Vec<String>,
        over: bool,
    }

    impl Terminal {
        fn new(mode: Mode) -> Terminal {
            let cluster = Cluster { mode, auto_registration: true, has_ctl: mode == Mode::Mixed };
            let mut terminal = Terminal {
                session: Session::default(),
                cluster,
                shown: String::new(),
                done: Vec::new(),
                restarted: Vec::new(),
                written: Vec::new(),
                over: false,
            };
            terminal.work();
            terminal
        }

        fn types(&mut self, line: &str) {
            self.shown.push_str(line);
            self.shown.push('\n');
            self.session.handle(Input::Line(line.into()));
            self.work();
        }

        fn work(&mut self) {
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Text(text) => self.shown.push_str(&text),
                    Output::Prompt => self.shown.push_str(&prompt("cucm1", "call_manager")),
                    Output::Listen | Output::Failed => {}
                    Output::WriteDown(what) => self.written.push(what),
                    Output::End => self.over = true,
                    Output::Ask(ask) => {
                        let told = self.world(ask);
                        self.session.handle(Input::Told(told));
                    }
                }
            }
        }

        fn world(&mut self, ask: Ask) -> Told {
            match ask {
                Ask::Undebug => Told::Text(Ok("All possible debugging has been turned off\n".into())),
                Ask::Show(question) => Told::Text(Ok(format!("{question:?}\n"))),
                Ask::RunningConfig => Told::Text(Err("this node is no border controller".into())),
                Ask::SecurityMode => Told::Text(Ok(format!("Cluster Security Mode: {}\n", self.cluster.mode.code()))),
                Ask::Cluster => Told::Cluster(Ok(self.cluster)),
                Ask::CarryOut(effect) => {
                    match effect {
                        Effect::EnterMixedMode => self.cluster.mode = Mode::Mixed,
                        Effect::LeaveMixedMode => self.cluster.mode = Mode::NonSecure,
                        Effect::WriteCtl | Effect::SignItlByRecovery => {}
                    }
                    self.cluster.has_ctl = true;
                    self.done.push(effect);
                    Told::Done(Ok(Vec::new()))
                }
                Ask::Services => Told::Services(Ok(Services {
                    node: "cucm1".into(),
                    role: "call_manager".into(),
                    started_ms: 0,
                    phones: Some(PhonesServed { started_ms: 0, ports: Vec::new() }),
                    calls: 1,
                    registrations: 2,
                })),
                Ask::Restart(part) => {
                    self.restarted.push(part);
                    Told::Done(Ok(vec!["stopped in 3 ms".into(), "started in 8 ms".into()]))
                }
            }
        }
    }

    #[test]
    fn mixed_mode_then_the_restart_and_the_check_letter_by_letter() {
        let mut terminal = Terminal::new(Mode::NonSecure);
        terminal.types("utils ctl set-cluster mixed-mode");
        terminal.types("y");
        assert!(terminal.shown.starts_with(
            "admin:utils ctl set-cluster mixed-mode\n\
             This operation will set the cluster to Mixed mode. Auto-registration is enabled on at least one CM node. Do you want to continue? (y/n): y\n\
             \n\
             Moving Cluster to Mixed Mode\n\
             Cluster set to Mixed Mode\n\
             Please restart Cisco CallManager service and Cisco CTIManager services on all the nodes in the cluster that run these services.\n"
        ), "{}", terminal.shown);
        assert!(terminal.shown.ends_with("\nadmin:"));
        assert_eq!(terminal.done, [Effect::EnterMixedMode]);

        terminal.shown.clear();
        terminal.types("utils service restart Cisco CallManager");
        terminal.types("y");
        terminal.types("utils service restart Cisco CTIManager");
        assert_eq!(
            terminal.shown,
            "utils service restart Cisco CallManager\n\
             Restarting Cisco CallManager on cucm1 interrupts every connection of this node; registered phones: 2 (each registers again); calls up: 1 (what is said goes on from phone to phone; holding and ending them from afar does not). Do you want to continue? (y/n): y\n\
             \n\
             Restarting Service. It may take a while...\n\
             Cisco CallManager[STOPPING]\n\
             Cisco CallManager[STOPPED] stopped in 3 ms\n\
             Cisco CallManager[STARTING]\n\
             Cisco CallManager[STARTED] started in 8 ms\n\
             Cluster Security Mode: 1\n\
             admin:utils service restart Cisco CTIManager\n\
             Cisco CTIManager[STARTED]\n\
             Cisco CTIManager runs within Cisco CallManager, which was started 1970-01-01T00:00:00.000Z, and is restarted with it. Nothing else was restarted.\n\
             admin:"
        );
        assert_eq!(terminal.restarted, [Part::Node]);
        assert_eq!(terminal.written, ["set the cluster to mixed mode", "restarted Cisco CallManager"]);
    }

    #[test]
    fn the_other_dialogues_ask_too_and_no_changes_nothing() {
        let mut terminal = Terminal::new(Mode::Mixed);
        for command in [
            "utils ctl set-cluster non-secure-mode",
            "utils ctl update CTLFile",
            "utils itl reset localkey",
            "utils service restart Cisco Tftp",
        ] {
            terminal.shown.clear();
            terminal.types(command);
            assert!(terminal.shown.ends_with("Do you want to continue? (y/n): "), "{}", terminal.shown);
            terminal.types("n");
            assert!(
                terminal.shown.ends_with(" n\n\nOperation cancelled: nothing was changed.\nadmin:")
                    || terminal.shown.ends_with("(y/n): n\n\nOperation cancelled: nothing was changed.\nadmin:"),
                "{}",
                terminal.shown
            );
        }
        assert_eq!((terminal.done.len(), terminal.restarted.len()), (0, 0));
        terminal.types("utils ctl update CTLFile");
        terminal.types("yes");
        terminal.types("utils itl reset localkey");
        terminal.types("Y");
        terminal.types("utils service restart tftp");
        terminal.types("y");
        assert_eq!(terminal.done, [Effect::WriteCtl, Effect::SignItlByRecovery]);
        assert_eq!(terminal.restarted, [Part::PhoneServices]);
    }

    #[test]
    fn an_interrupt_at_a_question_is_no_and_a_line_too_early_is_nothing() {
        let mut terminal = Terminal::new(Mode::NonSecure);
        terminal.types("utils ctl set-cluster mixed-mode");
        terminal.session.handle(Input::Interrupt);
        terminal.work();
        assert!(terminal.shown.ends_with("Operation cancelled: nothing was changed.\nadmin:"));
        terminal.types("utils service restart Engine");
        assert!(terminal.shown.contains("there is no service `Engine` on cucm1"), "{}", terminal.shown);
        let mut session = Session::default();
        assert_eq!(session.poll(), Some(Output::Prompt));
        session.handle(Input::Line("show ctl".into()));
        session.handle(Input::Line("exit".into()));
        assert_eq!(session.poll(), Some(Output::Ask(Ask::Show(Question::Ctl))));
        assert_eq!(session.poll(), None, "what was typed while the world was asked is for nobody");
        session.handle(Input::Told(Told::Done(Ok(Vec::new()))));
        assert_eq!(session.poll(), None, "another question's answer is none");
    }

    #[test]
    fn what_cannot_be_done_is_said_and_the_prompt_comes_back() {
        let mut terminal = Terminal::new(Mode::Mixed);
        terminal.shown.clear();
        terminal.types("show running-config");
        assert_eq!(terminal.shown, "show running-config\nthis node is no border controller\nadmin:");
        terminal.types("hunter2 hunter2");
        assert_eq!(terminal.written, ["typed what is no command"], "and never what it was");
        terminal.types("exit");
        assert!(terminal.over);
        terminal.types("show ctl");
        assert!(terminal.shown.ends_with("exit\nshow ctl\n"), "nothing more is heard");
    }
}
