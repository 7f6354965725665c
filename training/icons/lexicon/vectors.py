# SPDX-License-Identifier: MIT
"""Word vectors: which words of the models stand in the same company as another word."""
import functools
import json

import numpy as np

LEAST_COSINE = 0.42  # below it neighbours have little to do with each other
NEAREST = 12
BATCH = 1024


class Vectors:
    def __init__(self, text, targets, limit):
        """text  the package's JSON, words by falling frequency; targets: words that may answer; limit: words kept of it"""
        data = json.loads(text)
        size, table = data["dimensions"], data["vectors"]
        wanted = set(targets)
        self.words = [w for i, w in enumerate(data["words"]) if i < limit or w in wanted]
        self.row = {word: i for i, word in enumerate(self.words)}
        self.matrix = np.array([table[word][:size] for word in self.words], np.float32)
        self.matrix /= np.linalg.norm(self.matrix, axis=1, keepdims=True) + 1e-9
        self.targets = [word for word in targets if word in self.row]
        self.columns = self.matrix[[self.row[word] for word in self.targets]]
        # Words that are near to everything answer for nothing (Conneau et al. 2018, CSLS)
        sample = self.matrix[:20000:7]
        self.crowd = np.sort(sample @ self.columns.T, axis=0)[-10:].mean(0)

    @functools.lru_cache(maxsize=None)
    def vector(self, text):
        rows = [self.row[word] for word in text.split() if word in self.row]
        if not rows or len(rows) < len(text.split()):
            return None
        mean = self.matrix[rows].mean(0)
        return mean / (np.linalg.norm(mean) + 1e-9)

    def cosine(self, a, b):
        x, y = self.vector(a), self.vector(b)
        return None if x is None or y is None else float(x @ y)

    def near(self, words):
        """{word: [(sure, target)], nearest first} of those words that there are vectors for."""
        words, answers = [word for word in words if word in self.row], {}
        for first in range(0, len(words), BATCH):
            batch = words[first:first + BATCH]
            cosines = self.matrix[[self.row[word] for word in batch]] @ self.columns.T
            scores = cosines - 0.5 * self.crowd
            for word, places, row, cosine in zip(batch, np.argpartition(-scores, NEAREST + 1, 1)[:, :NEAREST + 2], scores, cosines):
                found = sorted(((float(row[i]), float(cosine[i]), self.targets[i]) for i in places
                                if cosine[i] >= LEAST_COSINE and self.targets[i] != word), reverse=True)
                answers[word] = [(0.75 * c, target) for _, c, target in found[:NEAREST]]
        return answers
