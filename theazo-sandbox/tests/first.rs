//! first
use theazo_sandbox::*;
#[tokio::test]
async fn hello() {
    let dir = tempfile::tempdir().unwrap();
    let launcher = Launcher::start(LauncherConfig::new(dir.path().join("state"))).await.unwrap();
    println!("{:?}", launcher.isolation());
    for i in 0..5 {
        let t = std::time::Instant::now();
        let sandbox = launcher.create(SandboxSpec::new("s", dir.path().join("w"), dir.path().join("d"))).await.unwrap();
        let a = t.elapsed();
        let out = sandbox.exec(Exec::new(Language::Python, "print(1)"), None).await.unwrap();
        let b = t.elapsed();
        sandbox.destroy().await.unwrap();
        println!("{i} {a:?} {b:?} {:?} {:?} {out:?}", t.elapsed(), out.duration);
    }
    launcher.shutdown().await;
}
