package screen

import "testing"

func TestStep(t *testing.T) {
	lists := []int{2, 0, 3}
	rows := func(p int) int { return lists[p] }
	for _, tt := range []struct{ at, row, by, wantAt, wantRow int }{
		{0, 0, 1, 0, 1}, {0, 1, 1, 2, 0}, {2, 0, -1, 0, 1}, {2, 2, 1, 2, 2}, {0, 0, -1, 0, 0}, {1, 0, 1, 2, 0}, {1, 0, -1, 0, 1},
	} {
		if at, row := Step(tt.at, tt.row, tt.by, len(lists), rows); at != tt.wantAt || row != tt.wantRow {
			t.Errorf("Step(%d, %d, %d) = %d, %d; want %d, %d", tt.at, tt.row, tt.by, at, row, tt.wantAt, tt.wantRow)
		}
	}
}
