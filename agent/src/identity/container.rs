//! The container id that a cgroup path carries.

/// Length of a container id: 64 hexadecimal digits.
const LENGTH: usize = 64;

/// Finds the id of the innermost container in a process's cgroup paths.
///
/// Known forms of a path component: `ID` (containerd, Docker and Podman with cgroupfs),
/// `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope` (systemd) and
/// `POD:cri-containerd:ID`.
#[must_use]
pub fn container_id(cgroups: &[String]) -> Option<String> {
    cgroups
        .iter()
        .find_map(|path| path.rsplit('/').find_map(id_in_component))
        .map(str::to_owned)
}

fn id_in_component(component: &str) -> Option<&str> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let id = name.rsplit(['-', ':']).next()?;
    let is_id = id.len() == LENGTH
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    // The monitor of CRI-O runs beside the container, not in it.
    (is_id && !name.starts_with("crio-conmon-")).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_are_found_in_the_paths_of_all_runtimes() {
        for path in [
            "/docker/ID",
            "/system.slice/docker-ID.scope",
            "/kubepods/burstable/pod1f2e/ID",
            "/kubepods.slice/kubepods-podX.slice/cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-podX.slice/crio-ID.scope/container",
            "/system.slice/containerd.service/kubepods-podX.slice:cri-containerd:ID",
            "/machine.slice/libpod-ID.scope/init",
        ] {
            let cgroups = ["/".to_owned(), path.replace("ID", ID)];
            assert_eq!(container_id(&cgroups).as_deref(), Some(ID), "{path}");
        }
    }

    #[test]
    fn other_paths_have_none() {
        for path in [
            "/",
            "/user.slice/session-1.scope",
            "/memory/30e1c70e4c747da36b0f3ce5c9dea25f",
            "/crio-conmon-ID.scope",
        ] {
            assert_eq!(container_id(&[path.replace("ID", ID)]), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_gives_an_answer(path in ".{0,200}") {
            if let Some(id) = container_id(&[path]) {
                prop_assert_eq!(id.len(), LENGTH);
            }
        }
    }
}
