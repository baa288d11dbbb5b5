//! Cassandra's jars, obtained once through Maven and kept in the cache, and the Java that runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, anyhow, bail};

use super::flags::ARCHIVE_WITH_AGENT;
use super::node::Node;
use super::{Options, Release};
use crate::folders;

/// Pinned, so that the same plugin runs everywhere.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// What is needed to start Cassandra.
#[derive(Debug, Clone)]
pub(super) struct Jars {
    pub(super) java: PathBuf,
    pub(super) setpriv: Option<PathBuf>,
    /// All jars, sorted.
    pub(super) jars: Vec<PathBuf>,
    /// The agent that measures objects; Cassandra does not start without it.
    pub(super) agent: PathBuf,
    /// Loaded classes of an earlier start, which save a third of the next one.
    pub(super) archive: Option<PathBuf>,
}

/// Finds Java 17 and the jars, which Maven fetches at the first call on a machine.
pub(super) fn obtain(release: Release) -> Result<Jars> {
    static OBTAINED: Mutex<BTreeMap<Release, Result<Jars, String>>> = Mutex::new(BTreeMap::new());
    let mut obtained = OBTAINED.lock().map_err(|_| anyhow!("another thread panicked over the jars"))?;
    let jars = obtained.entry(release).or_insert_with(|| find(release).map_err(|e| format!("{e:#}")));
    jars.clone().map_err(|e| anyhow!("{e}"))
}

fn find(release: Release) -> Result<Jars> {
    let java = java()?;
    let setpriv = on_path("setpriv").filter(|_| root());
    let cache = folders::cache()?;
    let folder = cache.join(format!("cassandra-{release}"));
    let lock = cache.join(format!("cassandra-{release}.lock"));
    folders::locked(&lock, || {
        if !folder.join("lib").is_dir() {
            fetch(release, &folder)?;
        }
        let mut jars = list(&folder, java.clone(), setpriv.clone())?;
        let archive = folder.join("classes.jsa");
        let tried = folder.join("classes.tried");
        if !tried.exists() {
            std::fs::write(&tried, "")?;
            // Only a saving: a machine where it cannot be made runs without.
            let _ = make_archive(release, &jars, &archive);
        }
        jars.archive = Some(archive).filter(|a| a.is_file());
        Ok(jars)
    })
}

/// Runs Maven into a folder beside and renames it, so that a broken download is never taken for a whole one.
fn fetch(release: Release, folder: &Path) -> Result<()> {
    let maven = on_path("mvn")
        .context("Maven (mvn) is not on the PATH, and it is needed once, to fetch Cassandra")?;
    let part = folder.with_extension("part");
    if part.exists() {
        std::fs::remove_dir_all(&part)?;
    }
    std::fs::create_dir_all(&part)?;
    let pom = part.join("pom.xml");
    std::fs::write(
        &pom,
        format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
             <groupId>ilium</groupId><artifactId>testbed</artifactId><version>1</version><packaging>pom</packaging>\n\
             <dependencies><dependency><groupId>org.apache.cassandra</groupId>\
             <artifactId>cassandra-all</artifactId><version>{release}</version></dependency></dependencies>\n\
             </project>\n"
        ),
    )?;
    let run = Command::new(maven)
        .args(["-B", "-q", "-Dstyle.color=never", "-f"])
        .arg(&pom)
        .arg(COPY)
        .arg(format!("-DoutputDirectory={}", part.join("lib").display()))
        .output()?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        let said: Vec<&str> = said.lines().take(5).collect();
        bail!("Maven cannot fetch Cassandra {release}:\n{}", said.join("\n"));
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::rename(&part, folder)?;
    Ok(())
}

fn list(folder: &Path, java: PathBuf, setpriv: Option<PathBuf>) -> Result<Jars> {
    let mut jars = Vec::new();
    for entry in std::fs::read_dir(folder.join("lib"))? {
        jars.push(entry?.path());
    }
    jars.retain(|j| j.extension().is_some_and(|e| e == "jar"));
    jars.sort();
    let agent = jars
        .iter()
        .find(|j| j.file_name().is_some_and(|n| n.to_string_lossy().starts_with("jamm-")))
        .context("no jamm jar came with Cassandra")?
        .clone();
    Ok(Jars { java, setpriv, jars, agent, archive: None })
}

/// Starts Cassandra once and lets Java keep the classes it loaded.
fn make_archive(release: Release, jars: &Jars, archive: &Path) -> Result<()> {
    let part = archive.with_extension("part");
    let mut java = vec![format!("-XX:ArchiveClassesAtExit={}", part.display())];
    java.extend(ARCHIVE_WITH_AGENT.map(str::to_owned));
    let mut node = Node::alone(jars, Options { release, java, ..Options::default() })?;
    node.launch()?;
    node.wait()?;
    node.stop()?;
    std::fs::rename(&part, archive)?;
    Ok(())
}

/// `$JAVA_HOME`'s or the PATH's java, which must be 17: Cassandra 5.0 runs on 11 and 17, and we know 17's flags. Of the
/// earlier releases 4.1 runs on it as well, although it was made for 8 and 11.
fn java() -> Result<PathBuf> {
    let home =
        std::env::var_os("JAVA_HOME").map(|h| PathBuf::from(h).join("bin/java")).filter(|j| j.is_file());
    let java =
        home.or_else(|| on_path("java")).context("Java 17 (java) is neither in JAVA_HOME nor on the PATH")?;
    let run = Command::new(&java).arg("-version").output()?;
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    if !said.contains("version \"17.") {
        let first = said.lines().next().unwrap_or("nothing");
        bail!("Java 17 is needed, and {} says: {first}", java.display());
    }
    Ok(java)
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

fn root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|s| {
        s.lines().any(|l| l.strip_prefix("Uid:").is_some_and(|ids| ids.trim_start().starts_with("0")))
    })
}
