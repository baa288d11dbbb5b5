//! The first superuser: made where nobody could log in, with a password that only the folder's owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::state::{Role, Roles, Touched};

/// As Cassandra calls its own.
pub const NAME: &str = "cassandra";

/// Whether no role can log in, so that one must be made.
pub fn is_needed(roles: &Roles) -> bool {
    !roles.iter().any(|(_, role)| role.login)
}

/// Makes the superuser, or lets one of that name log in again; `now` is in microseconds.
pub(crate) fn make(roles: &mut Roles, hash: Arc<str>, now: i64) -> Touched {
    let name: Arc<str> = Arc::from(NAME);
    roles.edit(&name, |role: &mut Role| {
        role.superuser = true;
        role.login = true;
        role.hash = Some(hash);
        role.made = now;
    });
    Touched { roles: [name].into(), ..Touched::default() }
}

/// Writes name and password for its owner alone, in the form that `cqlsh --credentials` reads. It is on disk, whole,
/// when this returns: a role whose password got lost would be of no use.
pub fn write(file: &Path, password: &str) -> io::Result<()> {
    let draft = file.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Made anew, so that nobody has it open who could not open it later.
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    write!(
        written,
        "; The first superuser. Change the password (ALTER ROLE {NAME} WITH PASSWORD = '...'), then remove this file.\n\
         [PlainTextAuthProvider]\nusername = {NAME}\npassword = {password}\n"
    )?;
    written.sync_all()?;
    fs::rename(&draft, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
