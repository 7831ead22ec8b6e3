// Package walk decides which calls a stack is made of: the same seed, the same stack.
package walk

// A Path is one stack in the making.  Callees ask it what to call next and when to allocate.
type Path struct {
	state uint64
	left  int
	Size  int // bytes of the object at the end of the path
}

// Start sets the path back to its beginning: depth calls from here.
func (p *Path) Start(seed uint64, depth, size int) {
	p.state = Mix(seed) | 1
	p.left = depth
	p.Size = size
}

// Done reports whether the caller is the one to allocate.
func (p *Path) Done() bool {
	p.left--
	return p.left <= 0
}

// Next returns a number below n (Marsaglia's xorshift).
func (p *Path) Next(n uint64) uint64 {
	p.state ^= p.state << 13
	p.state ^= p.state >> 7
	p.state ^= p.state << 17
	return (p.state >> 11) % n
}

// Mix returns splitmix64's output function: near inputs, unrelated outputs.
func Mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
