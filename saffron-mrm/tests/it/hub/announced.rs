//! Files that are not what was announced: too large, too long, others.

use saffron_mrm::hub::HubError;

use super::{Manners, Server, Tells, bytes_under, downloads, files, model, repo, weights_blob, weights_part};

/// The error of a first fetch, and the bytes that it left in the cache.
fn refused(manners: Manners) -> (HubError, u64) {
    let (server, cache) = (Server::new(files(), manners), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    (error, bytes_under(cache.path()))
}

#[test]
fn a_file_larger_than_the_loaders_read_is_refused_before_a_byte_is_written() {
    for (name, cap) in [("config.json", 16 << 20), ("tokenizer.json", 256 << 20), ("model.safetensors", 1 << 40)] {
        let manners = Manners { tells: Tells::Nothing, announces: Some((name, 1 << 62)), ..Manners::default() };
        let (error, written) = refused(manners);
        let HubError::TooLarge { file, found, limit, .. } = &error else { panic!("{error}") };
        assert_eq!((&file[..], *found, *limit), (name, 1 << 62, cap));
        assert!(written < 10_000, "{written} bytes");
    }
}

#[test]
fn a_file_that_goes_on_beyond_its_length_is_cut_off() {
    let (error, written) = refused(Manners { sends: Some(("config.json", None)), ..Manners::default() });
    let HubError::Length { file, expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((&file[..], *expected), ("config.json", files()["config.json"].len() as u64));
    assert!(found > expected && written < 1_000, "{written} bytes are left of {found}");
    // Without any length there is nothing to hold it to.
    let endless = Manners { tells: Tells::Nothing, sends: Some(("config.json", None)), ..Manners::default() };
    let (error, written) = refused(endless);
    assert!(error.to_string().contains("the size of a file") && written == 0, "{error}, {written} bytes");
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let longer = [&files()["tokenizer.json"][..], b" "].concat();
    let (error, _) = refused(Manners { sends: Some(("tokenizer.json", Some(longer))), ..Manners::default() });
    let HubError::Length { file, expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((&file[..], expected + 1), ("tokenizer.json", *found));
}

#[test]
fn other_bytes_than_the_announced_ones_are_thrown_away() {
    for (name, tells) in [("model.safetensors", Tells::InTheList), ("config.json", Tells::InHeaders)] {
        let mut other = files()[name].clone();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        let manners = Manners { tells, sends: Some((name, Some(other))), ..Manners::default() };
        let (server, cache) = (Server::new(files(), manners), tempfile::tempdir().unwrap());
        let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
        let HubError::Checksum { file, expected, found, .. } = &error else { panic!("{error}") };
        assert_eq!((&file[..], expected), (name, &super::digest(name, &files()[name])));
        assert_ne!(found, expected);
        let asked = server.asked();
        assert_eq!(downloads(&asked).iter().filter(|file| **file == name).count(), 1);
        assert!(!weights_blob(cache.path()).exists() && !weights_part(cache.path()).exists());
        // The hub has mended it.
        server.manners.lock().unwrap().sends = None;
        let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
        assert_eq!(std::fs::read(path.join(name)).unwrap(), files()[name]);
    }
}

#[test]
fn a_damaged_part_is_fetched_anew() {
    let (server, cache) = (Server::new(files(), Manners::default()), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(repo(cache.path()).join("blobs")).unwrap();
    std::fs::write(weights_part(cache.path()), [7; 5_000]).unwrap();
    let path = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), files()["model.safetensors"]);
    let asked = server.asked();
    let parts: Vec<&str> = downloads(&asked).into_iter().filter(|line| line.starts_with("model.")).collect();
    assert_eq!(parts, ["model.safetensors bytes=5000-", "model.safetensors"]);
}
