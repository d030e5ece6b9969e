//! The simulated network behaves as its documentation says: translators in the terms of RFC 4787, links, order, chance.

mod sim_world {
    mod agents;
    mod connections;
    mod gateways;
    mod hosts;
    mod links;
    mod nats;
    mod networks;
    mod order;
    mod probe;
    mod timeline;
}
