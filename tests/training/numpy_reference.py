"""An independent implementation of the MNIST recipe in numpy, float64, with gradients written by hand.

It shares no code with the package. Only the tests use it.
"""

import numpy as np


def sigmoid(a):
    return np.where(a >= 0, 1 / (1 + np.exp(-np.abs(a))), np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a))))


class Reference:
    """G: relu, relu, sigmoid. D: maxout, maxout, linear logit. Weights are (out, in), biases (out,)."""

    def __init__(self, g, d, pieces, *, d_scale=0.5, objective="non-saturating"):
        self.g = [(w.copy(), b.copy()) for w, b in g]
        self.d = [(w.copy(), b.copy()) for w, b in d]
        self.vg = [(np.zeros_like(w), np.zeros_like(b)) for w, b in g]
        self.vd = [(np.zeros_like(w), np.zeros_like(b)) for w, b in d]
        self.pieces, self.d_scale, self.objective = pieces, d_scale, objective

    def generate(self, z):
        (w1, b1), (w2, b2), (w3, b3) = self.g
        a1 = z @ w1.T + b1
        h1 = np.maximum(a1, 0)
        a2 = h1 @ w2.T + b2
        h2 = np.maximum(a2, 0)
        x = sigmoid(h2 @ w3.T + b3)
        return x, (z, a1, h1, a2, h2, x)

    def discriminate(self, x, masks):
        """Logits (n,) and what the backward pass needs. masks: a factor for each layer's input."""
        m1, m2, m3 = masks
        (w1, b1), (w2, b2), (w3, b3) = self.d
        x1 = x * m1
        p1 = (x1 @ w1.T + b1).reshape(len(x), self.pieces, -1)
        i1 = p1.argmax(1)
        x2 = np.take_along_axis(p1, i1[:, None], 1)[:, 0] * m2
        p2 = (x2 @ w2.T + b2).reshape(len(x), self.pieces, -1)
        i2 = p2.argmax(1)
        x3 = np.take_along_axis(p2, i2[:, None], 1)[:, 0] * m3
        return (x3 @ w3.T + b3)[:, 0], (masks, x1, i1, x2, i2, x3)

    def discriminate_backward(self, dl, kept):
        """From dL/dlogit (n,): gradients of D's parameters, and dL/dx."""
        (m1, m2, m3), x1, i1, x2, i2, x3 = kept
        (w1, _), (w2, _), (w3, _) = self.d
        n = len(dl)
        dw3, db3 = dl[None] @ x3, np.array([dl.sum()])
        dh2 = (dl[:, None] * w3) * m3
        dp2 = np.zeros((n, self.pieces, dh2.shape[1]))
        np.put_along_axis(dp2, i2[:, None], dh2[:, None], 1)
        dp2 = dp2.reshape(n, -1)
        dw2, db2 = dp2.T @ x2, dp2.sum(0)
        dh1 = (dp2 @ w2) * m2
        dp1 = np.zeros((n, self.pieces, dh1.shape[1]))
        np.put_along_axis(dp1, i1[:, None], dh1[:, None], 1)
        dp1 = dp1.reshape(n, -1)
        dw1, db1 = dp1.T @ x1, dp1.sum(0)
        return [(dw1, db1), (dw2, db2), (dw3, db3)], (dp1 @ w1) * m1

    def generate_backward(self, dx, kept):
        z, a1, h1, a2, h2, x = kept
        (_, _), (w2, _), (w3, _) = self.g
        da3 = dx * x * (1 - x)
        da2 = (da3 @ w3) * (a2 > 0)
        da1 = (da2 @ w2) * (a1 > 0)
        return [(da1.T @ z, da1.sum(0)), (da2.T @ h1, da2.sum(0)), (da3.T @ h2, da3.sum(0))]

    def g_slope(self, l_fake):
        """dL_G/dlogit of the mean over the batch."""
        n = len(l_fake)
        saturating_free, minimax = -sigmoid(-l_fake) / n, -sigmoid(l_fake) / n
        return {
            "non-saturating": saturating_free,
            "minimax": minimax,
            "blend": (saturating_free + minimax) / 2,
        }[self.objective]

    def d_gradients(self, x, z, masks_real, masks_fake):
        x_fake, kept_g = self.generate(z)
        l_real, kept_real = self.discriminate(x, masks_real)
        l_fake, kept_fake = self.discriminate(x_fake, masks_fake)
        on_real, _ = self.discriminate_backward(-self.d_scale * sigmoid(-l_real) / len(x), kept_real)
        on_fake, _ = self.discriminate_backward(self.d_scale * sigmoid(l_fake) / len(z), kept_fake)
        total = [(w + v, b + c) for (w, b), (v, c) in zip(on_real, on_fake, strict=True)]
        return total, l_fake, kept_fake, kept_g

    def simultaneous_step(self, x, z, masks_real, masks_fake, lr, momentum):
        d_gradients, l_fake, kept_fake, kept_g = self.d_gradients(x, z, masks_real, masks_fake)
        _, dx = self.discriminate_backward(self.g_slope(l_fake), kept_fake)
        g_gradients = self.generate_backward(dx, kept_g)
        self.d = self.move(self.d, self.vd, d_gradients, lr, momentum)
        self.g = self.move(self.g, self.vg, g_gradients, lr, momentum)

    def alternating_step(self, batches, draws, z, masks_fake, lr, momentum):
        """draws: (z, masks_real, masks_fake) for each D-step; z and masks_fake: fresh ones for G's."""
        for x, (z_d, on_real, on_fake) in zip(batches, draws, strict=True):
            gradients, *_ = self.d_gradients(x, z_d, on_real, on_fake)
            self.d = self.move(self.d, self.vd, gradients, lr, momentum)
        x_fake, kept_g = self.generate(z)
        l_fake, kept_fake = self.discriminate(x_fake, masks_fake)
        _, dx = self.discriminate_backward(self.g_slope(l_fake), kept_fake)
        self.g = self.move(self.g, self.vg, self.generate_backward(dx, kept_g), lr, momentum)

    @staticmethod
    def move(parameters, velocities, gradients, lr, momentum):
        moved = []
        for i, ((w, b), (dw, db)) in enumerate(zip(parameters, gradients, strict=True)):
            vw, vb = velocities[i]
            velocities[i] = (momentum * vw - lr * dw, momentum * vb - lr * db)
            moved.append((w + velocities[i][0], b + velocities[i][1]))
        return moved
