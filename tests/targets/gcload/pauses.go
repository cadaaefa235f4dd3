package main

import (
	"math"
	"runtime/metrics"
)

// pauses are the runtime's histograms of stops; each release has some of them.
var pauses = []string{
	"/gc/pauses:seconds",
	"/sched/pauses/stopping/gc:seconds",
	"/sched/pauses/stopping/other:seconds",
	"/sched/pauses/total/gc:seconds",
	"/sched/pauses/total/other:seconds",
}

// histogram has one bound more than counts.
type histogram struct {
	BoundsNs []int64  `json:"bounds_ns"`
	Counts   []uint64 `json:"counts"`
}

// readPauses reads those that this release has. It stops nothing.
func readPauses() map[string]histogram {
	samples := make([]metrics.Sample, len(pauses))
	for n, name := range pauses {
		samples[n].Name = name
	}
	metrics.Read(samples)
	found := make(map[string]histogram)
	for _, sample := range samples {
		if sample.Value.Kind() == metrics.KindFloat64Histogram {
			read := sample.Value.Float64Histogram()
			found[sample.Name] = histogram{nanoseconds(read.Buckets), read.Counts}
		}
	}
	return found
}

func nanoseconds(seconds []float64) []int64 {
	bounds := make([]int64, len(seconds))
	for n, bound := range seconds {
		switch {
		case math.IsInf(bound, -1):
			bounds[n] = math.MinInt64
		case math.IsInf(bound, 1):
			bounds[n] = math.MaxInt64
		default:
			bounds[n] = int64(math.Round(bound * 1e9))
		}
	}
	return bounds
}
