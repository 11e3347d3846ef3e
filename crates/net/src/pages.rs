//! The pages of VoiceXML applications: a folder's are read when a plan is made, so that no call waits for a disk and a
//! reload takes new ones. Those of web servers are fetched when they are wanted ([`crate::web`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use media::Prompts;
use roles::voice_browser::pages::Pages;
use roles::{Kind, Plan};
use trust::Authority;

/// What is played as it is.
const RECORDINGS: [&str; 2] = [".wav", ".opus"];
/// What one application's folder may hold.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: usize = 32 << 20;

/// Reads the folders that a voice browser's plan names; their recordings are added to `prompts`.
///
/// # Errors
/// A first document is not there, a folder cannot be read or holds too much.
pub(crate) fn load(plan: &mut Plan, prompts: &mut Prompts) -> anyhow::Result<()> {
    let Kind::VoiceBrowser(browser) = &mut plan.kind else { return Ok(()) };
    for application in &browser.browser.applications {
        let Some(document) = &application.document else { continue };
        let mut pages = match document.contains("://") {
            true => Pages { first: document.clone(), ..Pages::default() },
            false => read(Path::new(document)).with_context(|| format!("application {}", application.number))?,
        };
        let (mut problems, mut recordings) = (wrong(&pages), BTreeMap::new());
        for (file, bytes) in pages.files.iter().filter(|(file, _)| is_recording(file)) {
            // Found by what is in it, so that browsers share one, and who hears it still does so after a reload.
            let name = format!("recording:{}", trust::fingerprint(bytes));
            let known = if prompts.has(&name) { Ok(()) } else { prompts.add_file(&name, bytes) };
            match known {
                Ok(()) => drop(recordings.insert(file.clone(), name)),
                Err(words) => problems.push((file.as_str(), words)),
            }
        }
        for (file, problem) in problems {
            let number = &application.number;
            tracing::warn!(number, file, problem, "an application's page is wrong: its callers will meet that");
        }
        pages.recordings = recordings;
        pages.authority = Authority::of(application.page_authority.as_deref());
        pages.dangerous_plain_http = application.dangerous_plain_http;
        browser.pages.insert(application.number.clone(), pages.into());
    }
    Ok(())
}

/// All problems of an application's folder, by file: what [`load`] warns of, before anything runs.
///
/// # Errors
/// As [`load`].
pub fn problems(document: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let folder = document.parent().unwrap_or(Path::new("."));
    let pages = read(document)?;
    let mut problems = wrong(&pages);
    for (file, bytes) in pages.files.iter().filter(|(file, _)| is_recording(file)) {
        problems.extend(Prompts::default().add_file(file, bytes).err().map(|words| (&**file, words)));
    }
    Ok(problems.into_iter().map(|(file, words)| (folder.join(file), words)).collect())
}

fn is_recording(file: &str) -> bool {
    RECORDINGS.iter().any(|ending| file.ends_with(ending))
}

/// What is wrong with documents and grammars: file, and place with words.
fn wrong(pages: &Pages) -> Vec<(&str, String)> {
    let files = pages.files.iter().filter(|(name, _)| vxml::can_check(name));
    let look = |name: &str| pages.files.get(name).cloned();
    files
        .flat_map(|(name, bytes)| {
            let problems = vxml::check_within(name, bytes, look).into_iter();
            problems.map(|problem| (&**name, problem.to_string()))
        })
        .collect()
}

fn read(document: &Path) -> anyhow::Result<Pages> {
    let first = document.file_name().and_then(|name| name.to_str()).context("its document has no name")?.to_owned();
    anyhow::ensure!(
        document.is_file(),
        "there is no file {} (seen from where ringfence was started)",
        document.display()
    );
    let folder = document.parent().unwrap_or(Path::new("."));
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    gather(folder, "", &mut files, &mut bytes)?;
    Ok(Pages { first, files, ..Pages::default() })
}

fn gather(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Arc<[u8]>>,
    bytes: &mut usize,
) -> anyhow::Result<()> {
    // `parent` of a bare name is the empty path.
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in std::fs::read_dir(here).with_context(|| format!("cannot read the folder {}", here.display()))? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else { continue };
        let kind = entry.file_type()?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            gather(&entry.path(), &format!("{name}/"), files, bytes)?;
        } else if kind.is_file() {
            let content =
                std::fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            *bytes += content.len();
            files.insert(name, content.into());
        }
        anyhow::ensure!(
            files.len() <= MOST_FILES && *bytes <= MOST_BYTES,
            "the folder {} holds more than {MOST_FILES} files or {MOST_BYTES} bytes: give the application a folder of its own",
            here.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applications_folder_is_read_whole() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml/main.vxml");
        let pages = read(&example).unwrap();
        assert_eq!(pages.first, "main.vxml");
        assert!(
            pages.files.contains_key("root.vxml") && pages.files.contains_key("balance.xml"),
            "{:?}",
            pages.files.keys()
        );
    }

    #[test]
    fn a_recording_in_opus_is_taken_and_one_that_was_cut_is_told() {
        let folder = std::env::temp_dir().join(format!("ringfence-pages-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let whole = include_bytes!("../../../fuzz/corpus/ogg/libopus-voip");
        let page = "<vxml version=\"2.1\" xmlns=\"http://www.w3.org/2001/vxml\"><form><block/></form></vxml>";
        for (name, bytes) in [("good.opus", &whole[..]), ("cut.opus", &whole[..1000]), ("main.vxml", page.as_bytes())] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let problems = problems(&folder.join("main.vxml")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let [(file, words)] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(file.ends_with("cut.opus") && words.contains("the file was cut"), "{problems:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        assert!(read(Path::new("nowhere/main.vxml")).unwrap_err().to_string().contains("nowhere"));
    }
}
