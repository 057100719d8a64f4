import json

from jnn.cli import main


def test_resume_trains_longer_only_when_told(folder, capsys):
    assert main(["run", "line.py", "--out", "here", "--quiet"]) == 0
    assert main(["resume", "here"]) == 2
    assert "here: got a run that is done, expected one that stopped. Train it longer with --epochs +5." in capsys.readouterr().err
    for epochs, steps in (("+5", 8), ("20", 20)):
        assert main(["resume", "here", "--epochs", epochs, "--quiet", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["steps"] == steps
    assert main(["resume", "here", "--epochs", "more"]) == 2
    assert "--epochs: got 'more', expected a number such as 20, or +5 for five more." in capsys.readouterr().err


def test_resume_refuses_another_config_than_the_run_began_with(folder, capsys):
    main(["run", "line.py", "--out", "here", "--trouble", "sigint"])
    experiment = (folder / "line.py").read_text()
    (folder / "line.py").write_text(experiment.replace("    smoke: bool", "    depth: int = 2\n    smoke: bool"))
    assert main(["resume", "here"]) == 2
    assert "got other settings than the run has (depth: absent -> 2), expected the same." in capsys.readouterr().err
    (folder / "line.py").write_text(experiment)
    config = folder / "here" / "config.json"
    config.write_text(config.read_text().replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    assert main(["resume", "here"]) == 2
    assert "got a config edited since the run began (learning_rate: 0.1 -> 0.2), expected the same." in capsys.readouterr().err
