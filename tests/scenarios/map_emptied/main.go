// Map_emptied collects the distinct visitors of each shop in a map of the shop's own and deletes
// them all at night. The maps are empty, and never shrink.
//
//truth:service verdict=leak trap=map ops=200 op=9600
//truth:site mark=map function=main.(*shop).count type=map[int]main.visitor alloc=map holder=main.shops cause=main.(*shop).closeDay
//truth:site mark=shop function=main.open type=main.shop alloc=new size=16 holder=main.shops
package main

import "memsnap.test/scenarios/internal/bench"

const visitors = 100

type visitor struct {
	first, last int
	pages       [6]int
}

type shop struct {
	visitors map[int]visitor
	counted  int
}

var shops = map[int]*shop{}

func open(id int) *shop {
	s := new(shop) // site: shop
	shops[id] = s  // cause
	return s
}

func (s *shop) count(user int) {
	if s.visitors == nil {
		s.visitors = map[int]visitor{}
	}
	s.visitors[user] = visitor{first: user, last: user} // site: map
}

func (s *shop) closeDay() {
	s.counted += len(s.visitors)
	for user := range s.visitors {
		delete(s.visitors, user)
	}
}

func main() {
	bench.Main(func(i int) {
		s := open(i)
		for user := 0; user < visitors; user++ {
			s.count(user)
		}
		s.closeDay()
		bench.Keep(2, 9_600) // about
	})
}
