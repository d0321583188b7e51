"""Test error on MNIST, five seeds: the course chapter's three networks as it trains them, and the default.

Run with ``python -m benchmarks.reconstruction``. About ten minutes on two cores. Names of networks as arguments, such
as ``"pyramid (the default)"``, measure these again and keep the others.
"""

import statistics
import sys

import latentmap as lm
from benchmarks.record import load, save

NETWORKS = {
    # name: network, activation, the chapter's printed test error (dense: its code run again, none is printed)
    "dense": ("dense", "relu", 0.0059),
    "conv, ReLU": ("conv", "relu", 0.0188),
    "conv, ELU": ("conv", "elu", 0.00517),
    "pyramid (the default)": ("auto", "auto", None),
}
SEEDS = range(5)


def main() -> None:
    train, _ = lm.load_mnist("train")
    test, _ = lm.load_mnist("test")
    wanted = sys.argv[1:] or list(NETWORKS)
    results = {} if wanted == list(NETWORKS) else load("reconstruction")["results"]
    for name in wanted:
        network, activation, published = NETWORKS[name]
        rows = []
        for seed in SEEDS:
            model = lm.Autoencoder(network, activation=activation, random_state=seed).fit(train)
            spread = model.transform(test).std(0)
            rows.append(
                {
                    "seed": seed,
                    "test_mse": -model.score(test),
                    "loss": model.history_["loss"],
                    "seconds_an_epoch": statistics.median(model.history_["seconds"]),
                    "precision": model.precision_,
                    "constant_latent_dimensions": int((spread < 1e-3 * spread.max()).sum()),
                }
            )
            print(name, rows[-1], flush=True)
        results[name] = {
            "published": published,
            "median_test_mse": statistics.median(row["test_mse"] for row in rows),
            "worst_test_mse": max(row["test_mse"] for row in rows),
            "rows": rows,
        }
        save("reconstruction", results)  # a run that is ended leaves whole networks
    for name in wanted:
        network, activation, published = NETWORKS[name]
        if published is not None:  # the chapter's, once more in the precision of its time
            exact = lm.Autoencoder(network, activation=activation, precision="float32", random_state=SEEDS[0]).fit(
                train
            )
            results[name]["float32_test_mse"] = -exact.score(test)
    print(save("reconstruction", results))


if __name__ == "__main__":
    main()
