// Clear_pointers empties each tenant's batch with s[:0]: the length is 0, but the array still
// points to every order of the last batch.
//
//truth:service verdict=leak trap=cleared ops=500
//truth:site mark=order function=main.(*tenant).add type=main.order alloc=new size=1024 per_op=16 holder=main.tenants cause=main.(*tenant).flush
//truth:site mark=batch function=main.newTenant type=[]*main.order alloc=make size=128 per_op=1 holder=main.tenants
package main

import "memsnap.test/scenarios/internal/bench"

const (
	batchSize = 16
	orderSize = 1 << 10
)

type order struct {
	id   int
	data [orderSize - 8]byte
}

type tenant struct {
	batch []*order
	sum   int
}

var tenants = map[int]*tenant{}

func newTenant(id int) *tenant {
	t := new(tenant)
	t.batch = make([]*order, 0, batchSize) // site: batch
	tenants[id] = t                        // cause
	return t
}

func (t *tenant) add(id int) {
	t.batch = append(t.batch, &order{id: id}) // site: order
}

func (t *tenant) flush() {
	for _, o := range t.batch {
		t.sum += o.id
	}
	t.batch = t.batch[:0] // cause
}

func main() {
	bench.Main(func(i int) {
		t := newTenant(i)
		for id := 0; id < batchSize; id++ {
			t.add(id)
		}
		t.flush()
		bench.Keep(batchSize+1, batchSize*orderSize+batchSize*8)
	})
}
