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

/// An input of [`apply`].
pub type Input = FloatTensor<Dispatch>;

/// Makes an input of a tensor of any rank.
pub fn input<const D: usize>(tensor: Tensor<D>) -> Input {
    tensor.into_dispatch()
}

fn run(inputs: &[FlexTensor], op: &dyn HostOp) -> (FlexTensor, Arc<dyn HostBackward>) {
    let inputs: Vec<FlexTensor> = inputs.iter().map(FlexTensor::to_contiguous).collect();
    op.forward(&inputs)
}

/// Defines [`HostBackend`] and [`apply`] for each number of inputs: burn's tape knows it by type.
macro_rules! host_backend {
    ($($name:ident($($input:ident),+);)+) => {
        /// Backends that run [`HostOp`]s of 1 to 7 inputs.
        #[backend_extension(Flex, Autodiff)]
        pub trait HostBackend: Backend {
            $(
                /// Runs an operation of as many inputs.
                #[allow(clippy::too_many_arguments, reason = "one for each input")]
                fn $name($($input: FloatTensor<Self>,)+ op: Arc<dyn HostOp>) -> FloatTensor<Self>;
            )+
        }

        impl HostBackend for Flex {
            $(
                fn $name($($input: FlexTensor,)+ op: Arc<dyn HostOp>) -> FlexTensor {
                    run(&[$($input),+], &*op).0
                }
            )+
        }

        impl<C: CheckpointStrategy> HostBackend for Autodiff<Flex, C> {
            $(
                fn $name($($input: FloatTensor<Self>,)+ op: Arc<dyn HostOp>) -> FloatTensor<Self> {
                    record::<C, _>([$($input),+], &*op)
                }
            )+
        }

        /// Runs an operation on burn tensors: 1 to 7 [`input`]s.
        ///
        /// # Panics
        /// If there are none or more: a bug.
        pub fn apply<const R: usize>(inputs: Vec<Input>, op: Arc<dyn HostOp>) -> Tensor<R> {
            $(
                let inputs = match <[Input; [$(stringify!($input)),+].len()]>::try_from(inputs) {
                    Ok([$($input),+]) => {
                        let out = <Dispatch as HostBackend>::$name($($input,)+ op);
                        return Tensor::from_dispatch(out);
                    }
                    Err(inputs) => inputs,
                };
            )+
            panic!("bug: an operation of {} inputs", inputs.len())
        }
    };
}

host_backend! {
    host1(a);
    host2(a, b);
    host3(a, b, c);
    host4(a, b, c, d);
    host5(a, b, c, d, e);
    host6(a, b, c, d, e, f);
    host7(a, b, c, d, e, f, g);
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
