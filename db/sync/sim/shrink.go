package sim

import (
	"context"
	"slices"
)

// Shrink leaves out steps and faults of a schedule that failed while it still
// fails, and returns the report of what is left.
func Shrink(ctx context.Context, c Config, failed Report) (Report, error) {
	try := func(ops []Op) (bool, error) {
		rep, err := RunPlan(ctx, c, ops)
		if err != nil || rep.Failure == "" {
			return false, err
		}
		failed = rep
		return true, nil
	}
	if failed.Step < len(failed.Plan) {
		if _, err := try(failed.Plan[:failed.Step+1]); err != nil {
			return failed, err
		}
	}
	for size := max(1, len(failed.Plan)/2); ; {
		shorter := false
		for at := 0; at < len(failed.Plan); {
			ops := slices.Delete(slices.Clone(failed.Plan), at, min(at+size, len(failed.Plan)))
			ok, err := try(ops)
			if err != nil {
				return failed, err
			}
			if shorter = shorter || ok; !ok {
				at += size
			}
		}
		if size == 1 && !shorter {
			break
		}
		size = max(1, size/2)
	}
	for at := range failed.Plan {
		for i := 0; i < len(failed.Plan[at].Strikes); {
			ops := slices.Clone(failed.Plan)
			ops[at].Strikes = slices.Delete(slices.Clone(ops[at].Strikes), i, i+1)
			ok, err := try(ops)
			if err != nil {
				return failed, err
			}
			if !ok {
				i++
			}
		}
	}
	return failed, nil
}
