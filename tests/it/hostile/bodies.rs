//! Bodies that are not what their encoding says, or far more.

use std::io::Write;

use lamplighter::domain::outcome::{Reason, Stage};

use super::{Act, Case, Expected, LONG, run_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_and_broken_encodings_are_told_apart() {
    run_all(|_| Box::pin(cases())).await;
}

async fn cases() -> Vec<Case> {
    let zeros = vec![0; 64 << 20];
    let ratio = Reason::DecompressRatio;
    let page = "All our agents are busy. ".repeat(10).into_bytes();
    let mut cases = Vec::new();
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let bomb = encoded(encoding, &zeros);
        let whole = encoded(encoding, &page);
        let half = whole[..whole.len() / 2].to_vec();
        for (name, body, reason) in [
            (format!("{encoding} bomb of 64 MiB in {} bytes", bomb.len()), bomb, Some(ratio)),
            (format!("{encoding}, whole"), whole, None),
            (format!("{encoding}, cut in half"), half, Some(Reason::Truncated)),
        ] {
            cases.push(case(&name, encoding, &body, reason).await);
        }
    }
    let gzip = encoded("gzip", &page);
    let twice = encoded("br", &gzip);
    cases.push(case("gzip, then br", "gzip, br", &twice, None).await);
    cases.push(case("gzip, then br, in two headers", "gzip\r\ncontent-encoding: br", &twice, None).await);
    let garbled = Some(Reason::Protocol);
    cases.push(case("gzip, then br, said in the wrong order", "br, gzip", &twice, garbled).await);
    let bomb = encoded("gzip", &encoded("gzip", &zeros));
    cases.push(case("64 MiB in a bomb in a bomb", "gzip, gzip", &bomb, Some(ratio)).await);
    let four = "gzip, gzip, gzip, gzip";
    cases.push(case("four encodings", four, &encoded("gzip", &twice), garbled).await);
    cases.push(case("gzip said to be br", "br", &gzip, garbled).await);
    cases.push(case("plain text said to be gzip", "gzip", &page, garbled).await);
    cases.push(case("an encoding nobody knows", "secret", &page, garbled).await);
    cases.push(case("no bytes, said to be gzip", "gzip", &[], None).await);
    cases.push(inflating_too_far(&large()).await);
    cases
}

/// Passes the limits of the wire and of the ratio, and not that of the size.
fn large() -> Vec<u8> {
    let plain: Vec<u8> =
        (0..6u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 28) as u8 + b'a').collect();
    let wire = encoded("zstd", &plain);
    assert!((plain.len() / 100..1 << 20).contains(&wire.len()), "{} bytes", wire.len());
    wire
}

async fn inflating_too_far(wire: &[u8]) -> Case {
    case("more than 4 MiB inflated", "zstd", wire, Some(Reason::BodyTooLarge)).await
}

/// zstd is written in C: what it takes shows in the process as a whole only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decoder_in_c_gives_its_memory_back() {
    /// A window of 2 MiB for each of the runs is far more, and no allocator keeps that much for later.
    const GROWTH_MAX_KIB: u64 = 64 << 10;
    const RUNS: usize = 100;
    let wire = large();
    assert_eq!(inflating_too_far(&wire).await.run().await.wrong(), None);
    let before = resident_kib();
    for _ in 0..RUNS {
        assert_eq!(inflating_too_far(&wire).await.run().await.wrong(), None);
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more after {RUNS} runs");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn case(name: &str, encoding: &str, body: &[u8], reason: Option<Reason>) -> Case {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
    let expected = reason.map_or(Expected::Ok, |reason| Expected::Failed(Stage::Transfer, reason));
    Case::plays(name, LONG, expected, vec![Act::Say([head.as_bytes(), body].concat())]).await
}

fn encoded(encoding: &str, plain: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write};
    match encoding {
        "gzip" => {
            let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(plain).unwrap();
            out
        }
        "zstd" => zstd::encode_all(plain, 3).unwrap(),
        other => panic!("no such encoding: {other}"),
    }
}
