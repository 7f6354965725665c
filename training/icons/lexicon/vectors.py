# SPDX-License-Identifier: MIT
"""Word vectors: which words of the models stand in the same company as another word."""
import json

import numpy as np

LEAST_COSINE = 0.5   # below it neighbours have little to do with each other
NEAREST = 4


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

    def vector(self, text):
        rows = [self.row[word] for word in text.split() if word in self.row]
        if not rows or len(rows) < len(text.split()):
            return None
        mean = self.matrix[rows].mean(0)
        return mean / (np.linalg.norm(mean) + 1e-9)

    def cosine(self, a, b):
        x, y = self.vector(a), self.vector(b)
        return None if x is None or y is None else float(x @ y)

    def near(self, word):
        """[(sure, target)] nearest first."""
        vector = self.vector(word)
        if vector is None:
            return []
        cosines = self.columns @ vector
        scores = cosines - 0.5 * self.crowd
        found = []
        for place in np.argpartition(-scores, NEAREST + 1)[:NEAREST + 2]:
            if cosines[place] >= LEAST_COSINE and self.targets[place] != word:
                found.append((float(scores[place]), float(cosines[place]), self.targets[place]))
        return [(0.75 * cosine, target) for _, cosine, target in sorted(found, reverse=True)[:NEAREST]]
