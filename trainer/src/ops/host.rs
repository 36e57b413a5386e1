//! Custom operations of burn's autodiff that run on host slices.
//!
//! A [`HostOp`] computes its output from the values of its inputs and hands back a
//! [`HostBackward`], which later turns the output's gradient into one for each input.
//! burn keeps the graph, accumulates gradients and calls the backward; all arithmetic of the
//! convolutional layers is in the operations themselves, because the stock composites train three
//! times slower (`docs/training.md`).
//!
//! Only the CPU backend (`Flex`) is implemented.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};

/// The forward pass of an operation on host values.
pub trait HostOp: Debug + Send + Sync {
    /// Computes the output of contiguous `f32` inputs and what the backward pass needs.
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>);
}

/// The backward pass of one execution of a [`HostOp`].
pub trait HostBackward: Debug + Send + Sync {
    /// Returns the gradient of each input from the gradient of the output.
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor>;
}

/// Makes a tensor of host values.
pub fn host_tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// Returns the values of a contiguous tensor.
///
/// # Panics
/// If it is not a contiguous `f32` tensor, which [`HostOp`]s never see: a bug.
pub fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("bug: host operations read contiguous f32 tensors")
}

/// Backends that run [`HostOp`]s.
#[backend_extension(Flex, Autodiff)]
pub trait HostBackend: Backend {
    /// Runs an operation of one input.
    fn host1(a: FloatTensor<Self>, op: Arc<dyn HostOp>) -> FloatTensor<Self>;
    /// Runs an operation of three inputs.
    fn host3(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: Arc<dyn HostOp>,
    ) -> FloatTensor<Self>;
    /// Runs an operation of five inputs.
    fn host5(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        op: Arc<dyn HostOp>,
    ) -> FloatTensor<Self>;
}

/// Runs an operation of one input on burn tensors.
pub fn apply1<const D: usize, const R: usize>(a: Tensor<D>, op: Arc<dyn HostOp>) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as HostBackend>::host1(a.into_dispatch(), op))
}

/// Runs an operation of three inputs on burn tensors.
pub fn apply3<const R: usize>([a, b, c]: [Tensor<1>; 3], op: Arc<dyn HostOp>) -> Tensor<R> {
    let [a, b, c] = [a, b, c].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as HostBackend>::host3(a, b, c, op))
}

/// Runs an operation of a map and four vectors on burn tensors.
pub fn apply5<const D: usize, const R: usize>(
    x: Tensor<D>,
    parameters: [Tensor<1>; 4],
    op: Arc<dyn HostOp>,
) -> Tensor<R> {
    let [b, c, d, e] = parameters.map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as HostBackend>::host5(x.into_dispatch(), b, c, d, e, op))
}

fn run(inputs: &[FlexTensor], op: &dyn HostOp) -> (FlexTensor, Arc<dyn HostBackward>) {
    let inputs: Vec<FlexTensor> = inputs.iter().map(FlexTensor::to_contiguous).collect();
    op.forward(&inputs)
}

impl HostBackend for Flex {
    fn host1(a: FlexTensor, op: Arc<dyn HostOp>) -> FlexTensor {
        run(&[a], &*op).0
    }

    fn host3(a: FlexTensor, b: FlexTensor, c: FlexTensor, op: Arc<dyn HostOp>) -> FlexTensor {
        run(&[a, b, c], &*op).0
    }

    fn host5(
        a: FlexTensor,
        b: FlexTensor,
        c: FlexTensor,
        d: FlexTensor,
        e: FlexTensor,
        op: Arc<dyn HostOp>,
    ) -> FlexTensor {
        run(&[a, b, c, d, e], &*op).0
    }
}

/// The step on burn's tape for an operation of `N` inputs.
#[derive(Debug)]
struct HostStep<const N: usize>;

impl<const N: usize> Backward<Flex, N> for HostStep<N> {
    type State = Arc<dyn HostBackward>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let inputs = ops.state.backward(values(&grad));
        assert_eq!(inputs.len(), N, "bug: one gradient for each input");
        for (parent, grad) in ops.parents.into_iter().zip(inputs) {
            if let Some(node) = parent {
                grads.register::<Flex>(node.id, grad);
            }
        }
    }
}

/// Runs `op` and registers its backward step.
fn record<C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    op: &dyn HostOp,
) -> FloatTensor<Autodiff<Flex, C>> {
    let mut tensors = Vec::with_capacity(N);
    let guards = inputs.map(|input| {
        let (tensor, guard) = input.into_parts();
        tensors.push(tensor);
        guard
    });
    let (output, state) = run(&tensors, op);
    match HostStep::<N>.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

impl<C: CheckpointStrategy> HostBackend for Autodiff<Flex, C> {
    fn host1(a: FloatTensor<Self>, op: Arc<dyn HostOp>) -> FloatTensor<Self> {
        record::<C, 1>([a], &*op)
    }

    fn host3(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: Arc<dyn HostOp>,
    ) -> FloatTensor<Self> {
        record::<C, 3>([a, b, c], &*op)
    }

    fn host5(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        op: Arc<dyn HostOp>,
    ) -> FloatTensor<Self> {
        record::<C, 5>([a, b, c, d, e], &*op)
    }
}
