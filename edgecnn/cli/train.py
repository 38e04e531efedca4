"""Train a network of the zoo on a data set or a folder with one subfolder per class."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a name of the zoo: lenet5, lenet5_relu, mobilenet_v2, …")
    parser.add_argument(
        "--data", required=True, help="mnist, or a folder that holds train/CLASS/ and test/CLASS/"
    )
    parser.add_argument("-o", "--output", required=True, help="the .pt file to write")
    parser.add_argument("--epochs", type=int, help="times through the data (default 10)")
    parser.add_argument("--batch-size", type=int, help="pictures in one step (default 128)")
    parser.add_argument("--optimizer", help="adamw or sgd (default adamw)")
    parser.add_argument("--lr", type=float, help="largest learning rate (default 0.003)")
    parser.add_argument("--weight-decay", type=float, help="default 0.01")
    parser.add_argument("--schedule", help="one-cycle or constant (default one-cycle)")
    parser.add_argument(
        "--shift", type=int, help="move pictures by up to so many pixels (default 2)"
    )
    parser.add_argument("--seed", type=int, help="of everything random (default 0)")
    parser.add_argument("--weights", help="published weights to start from, by name (imagenet)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (default cpu)")
    parser.add_argument("--resume", action="store_true", help="go on where Ctrl-C stopped it")


def run(args: argparse.Namespace) -> int:
    import os
    from dataclasses import asdict, fields

    # Read when torch is loaded: threads that wait busily for each other take ten times as long
    # as soon as another program wants the processor too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from edgecnn.cli import show
    from edgecnn.data import open_dataset
    from edgecnn.train import train, untrained
    from edgecnn.training.recipe import Recipe

    given = {field.name: getattr(args, field.name) for field in fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in given.items() if value is not None})
    train_set, test_set = (open_dataset(args.data, split) for split in ("train", "test"))
    network, card = untrained(args.model, train_set.labels, weights=args.weights, seed=recipe.seed)
    card, history = train(network, card, train_set, test_set, args.output, recipe,
                          device=args.device, resume=args.resume)  # fmt: skip
    last = history[-1]
    if args.json:
        epochs = [asdict(epoch) for epoch in history]
        show.document({"path": args.output, "test_accuracy": last.accuracy, "epochs": epochs,
                       "card": card.to_dict()})  # fmt: skip
        return 0
    show.line(
        f"{args.output}: {card.name}, {last.number} × {len(train_set):,} pictures. "
        f"It names {last.correct:,} of {last.tested:,} test pictures rightly ({last.accuracy:.2%})."
    )
    return 0
