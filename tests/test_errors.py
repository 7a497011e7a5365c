import pickle

from chatgui.errors import ConfigError, DataError, ModelError, RunError


def test_an_error_replaces_the_standard_one() -> None:
    assert issubclass(DataError, ValueError)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ModelError, OSError)
    assert issubclass(RunError, RuntimeError)


def test_an_error_survives_the_way_between_processes() -> None:
    error = ConfigError("config.bad_value", field="training.epochs", found="0", rule="it must be greater than 0")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.field) == (str(error), "training.epochs")
