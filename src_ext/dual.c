/* Logistic regression on binary features: coordinate descent in the dual, the same at all
 * levels. Weights are all over the memory, so their cache lines are asked for beforehand. */

#include <math.h>

#include "kernels.h"

enum { STEPS = 100, AHEAD = 16 };
static const double EXACT = 1e-12;

/* Where alpha + (m - margin) / norm - cost / (1 + exp(m)), which rises, is 0. */
static double margin_after(double margin, double start, double norm, double cost, double alpha)
{
    double low = margin - norm * alpha, high = margin + norm * (cost - alpha);
    double m = start;
    if (!(low < m && m < high))
        m = fmin(fmax(margin, low), high);
    for (int step = 0; step < STEPS; step++) {
        const double share = 1.0 / (1.0 + exp(m));
        const double excess = alpha + (m - margin) / norm - cost * share;
        if (excess > 0)
            high = m;
        else
            low = m;
        double next = m - excess / (1.0 / norm + cost * share * (1.0 - share));
        if (!(low < next && next < high))
            next = 0.5 * (low + high);
        if (fabs(next - m) <= EXACT * fmax(1.0, fabs(m)))
            return next;
        m = next;
    }
    return m;
}

void fastlstm_dual_descent(void *arguments)
{
    dual_descent_t *s = arguments;
    double(*weights)[2] = s->weights, *const constant = weights[s->n_features];
    s->worst = 0;
    for (int64_t visit = 0; visit < s->n_visited; visit++) {
        const int64_t i = s->order[visit];
        const int32_t *const features = s->indices + s->indptr[i];
        const int64_t n = s->indptr[i + 1] - s->indptr[i];
        double margin = constant[0];
        for (int64_t p = 0; p < n; p++) {
            if (p + AHEAD < n)
                __builtin_prefetch(weights[features[p + AHEAD]], 1);
            margin += weights[features[p]][0];
        }
        margin *= s->sign[i];
        const double off = fabs(margin - s->margins[i]);
        if (!(off <= s->worst))
            s->worst = off;
        if (off <= s->least)
            continue;
        const double cost = s->cost[i], alpha = cost / (1.0 + exp(s->margins[i]));
        const double after = margin_after(margin, s->margins[i], s->norms[i], cost, alpha);
        const double step = s->sign[i] * (cost / (1.0 + exp(after)) - alpha);
        s->margins[i] = after;
        for (int64_t p = 0; p < n; p++)
            weights[features[p]][0] += step * weights[features[p]][1];
        constant[0] += step;
    }
}
