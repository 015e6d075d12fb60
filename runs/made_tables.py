"""Tables made up to choose by: mixtures, heavy tails, copulas, lines, rings, moons, networks, trees, counts and categories.

Each kind takes a generator of random numbers, the class of each row (which kinds that label by a function replace), the number of classes
and of columns, and returns the columns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Columns = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Kind = Callable[[np.random.Generator, Codes, int, int], Columns]
LIMIT = 10.0  # standard deviations, as sibyl cuts the numbers of a table


def stretched(draw: np.random.Generator, dim: int) -> Columns:
    """A random linear map whose axes differ up to threefold."""
    turned, _ = np.linalg.qr(draw.normal(size=(dim, dim)))
    axes: Columns = turned * np.exp(draw.uniform(-0.55, 0.55, dim))
    return axes


def mixture(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """One or two Gaussian clusters a class, each of a covariance of its own."""
    x, apart = np.empty((len(codes), dim)), draw.uniform(1, 3) * (min(dim, 6) / dim) ** 0.5
    for one in range(n_way):
        rows = np.flatnonzero(codes == one)
        middle, part = draw.normal(size=dim) * apart, draw.integers(0, draw.integers(1, 3), len(rows))
        for number in range(2):
            at = rows[part == number]
            moved = middle + draw.normal(size=dim) * apart * 0.7 * number
            x[at] = moved + 0.8 * draw.normal(size=(len(at), dim)) @ stretched(draw, dim).T
    return x


def heavy_tails(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Clusters with Student's t about them."""
    middle = draw.normal(size=(n_way, dim)) * draw.uniform(1, 2.5) * (min(dim, 6) / dim) ** 0.5
    noise: Columns = draw.standard_t(draw.uniform(1.5, 4), size=(len(codes), dim)) * draw.uniform(0.5, 1.2)
    moved: Columns = middle[codes] + noise
    return moved


def copula(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """A mixture whose columns have margins of all shapes."""
    x = mixture(draw, codes, n_way, dim)
    shapes: list[Callable[[Columns], Columns]] = [
        np.exp, lambda z: z**3, lambda z: np.tanh(2 * z), lambda z: z, lambda z: np.floor(3 * np.exp(0.7 * z)),
    ]  # fmt: skip
    for column in x.T:
        column[:] = shapes[draw.integers(len(shapes))]((column - column.mean()) / column.std())
    return x


def line(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Classes one behind the other along a line that may bend."""
    along = codes + draw.normal(size=len(codes)) * draw.uniform(0.15, 0.4)
    bend = draw.normal(size=dim) * draw.uniform(0, 0.7) / n_way
    noise = draw.normal(size=(len(codes), dim)) * draw.uniform(0.2, 0.6)
    return along[:, None] * draw.normal(size=dim) + np.square(along - n_way / 2)[:, None] * bend + noise


def rings(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Circles or spheres around each other."""
    around = draw.normal(size=(len(codes), min(dim, int(draw.integers(2, 4)))))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    x = 0.25 * draw.normal(size=(len(codes), dim))
    x[:, : around.shape[1]] = around * (codes + draw.uniform(0.2, 1))[:, None] + draw.normal(size=around.shape) * draw.uniform(
        0.1, 0.3
    )
    return x


def moons(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Half circles that reach into each other, turned into all columns."""
    angle, side = draw.uniform(0, np.pi, len(codes)), np.where(codes % 2, -1, 1)
    x = draw.normal(size=(len(codes), dim)) * draw.uniform(0.1, 0.3)
    x[:, 0] += side * np.cos(angle) + codes % 2 + 1.5 * (codes // 2)
    x[:, 1] += side * np.sin(angle) + 0.5 * (codes % 2) + (codes // 2) * draw.uniform(0, 1)
    turned: Columns = x @ np.linalg.qr(draw.normal(size=(dim, dim)))[0]
    return turned


def network(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """One cloud, labelled by a random network."""
    x = draw.normal(size=(len(codes), dim)) @ stretched(draw, dim).T
    said = np.tanh(1.2 * x / x.std(0) @ draw.normal(size=(dim, 8)) / dim**0.5) @ draw.normal(size=(8, n_way))
    codes[:] = ((said - said.mean(0)) / said.std(0) + 0.1 * draw.gumbel(size=said.shape)).argmax(1)
    return x


def ordered(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """One cloud, labelled by where a row lies along one direction."""
    x = draw.normal(size=(len(codes), dim)) @ stretched(draw, dim).T
    along = x / x.std(0) @ draw.normal(size=dim) + 0.2 * draw.normal(size=len(codes))
    codes[:] = np.searchsorted(np.quantile(along, draw.dirichlet(np.full(n_way, 4.0)).cumsum()[:-1].clip(0, 1)), along)
    return x


def tree(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """One cloud, labelled by a random tree, some columns of which the class also moves."""
    x = (
        draw.uniform(size=(len(codes), dim))
        if draw.random() < 0.5
        else draw.normal(size=(len(codes), dim)) @ stretched(draw, dim).T
    )
    leaf = np.zeros(len(codes), np.int64)
    for _ in range(int(np.ceil(np.log2(n_way)))):
        for one in np.unique(leaf):
            at, column = leaf == one, x[:, draw.integers(dim)]
            leaf[at] = 2 * one + (column[at] > np.quantile(column[at], draw.uniform(0.3, 0.7)))
    codes[:] = np.minimum(np.unique(leaf, return_inverse=True)[1], n_way - 1)
    moved: Columns = x + (draw.normal(size=(n_way, dim)) * (draw.random(dim) < 0.5) * 0.8 * x.std(0))[codes]
    return moved


def forest(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """One cloud, labelled by the votes of random trees."""
    x, votes = draw.normal(size=(len(codes), dim)), np.zeros((len(codes), n_way))
    for _ in range(20):
        leaf = sum(2**depth * (x[:, draw.integers(dim)] > 0.7 * draw.normal()) for depth in range(3))
        votes += draw.normal(size=(8, n_way))[leaf]
    codes[:] = votes.argmax(1)
    return x


def counts(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Poisson counts."""
    rate = np.exp(draw.normal(size=(n_way, dim)) * draw.uniform(0.3, 0.9) + 1)
    return draw.poisson(rate[codes]).astype(np.float64)


def categories(draw: np.random.Generator, codes: Codes, n_way: int, dim: int) -> Columns:
    """Columns of two to six categories as zeros and ones, numbers among them."""
    parts: list[Columns] = []
    while (left := dim - sum(part.shape[1] for part in parts)) > 0:
        n_kinds = min(int(draw.integers(2, 7)), left)
        if n_kinds < 2 or draw.random() < 0.3:
            parts.append((1.2 * draw.normal(size=n_way)[codes] + draw.normal(size=len(codes)))[:, None])
        else:
            shares = draw.dirichlet(np.full(n_kinds, 0.6), n_way).cumsum(1)
            kind = (draw.random(len(codes))[:, None] > shares[codes]).sum(1).clip(0, n_kinds - 1)
            parts.append(np.eye(n_kinds)[kind])
    return np.concatenate(parts, 1)


KINDS: tuple[Kind, ...] = (
    mixture, heavy_tails, copula, line, rings, moons, network, ordered, tree, forest, counts, categories,
)  # fmt: skip


def made_table(kind: Kind, columns: tuple[int, int], seed: int) -> tuple[npt.NDArray[np.float32], Codes]:
    """Return rows as `sibyl label` makes them of a table, and their classes.

    Of 2 to 8 classes and 100 to 1,000 rows; half of the tables have classes of unequal size, a third have columns of noise.
    """
    draw = np.random.default_rng([seed, KINDS.index(kind), *columns])
    while True:
        dim, n_way = int(draw.integers(columns[0], columns[1] + 1)), int(draw.integers(2, 9))
        n_rows, n_noise = int(100 * 10 ** draw.uniform()), int(draw.integers(0, dim // 2 + 1)) if draw.random() < 0.35 else 0
        shares = np.full(n_way, 1 / n_way) if draw.random() < 0.5 else draw.dirichlet(np.full(n_way, 4.0))
        codes = draw.choice(n_way, n_rows, p=shares)
        x = kind(draw, codes, n_way, max(2, dim - n_noise))
        x = np.concatenate([x, draw.normal(size=(n_rows, dim - x.shape[1]))], 1)
        is_hot = np.isin(x, (0.0, 1.0)).all(0)
        x = np.where(is_hot, x, np.clip((x - x.mean(0)) / x.std(0).clip(1e-9), -LIMIT, LIMIT))
        codes = np.unique(codes, return_inverse=True)[1]
        if codes.max() > 0 and np.bincount(codes).min() >= 10:
            return x.astype(np.float32), codes
